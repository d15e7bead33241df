// An auditor of a served log with Go's own tools: golang.org/x/mod/sumdb, which knows nothing of this ledger.
//
// usage: auditor URL TRUST-FILE ENTRIES
//
// It waits until the log has published so many entries at least, which a ledger that has just started may not yet have. It
// takes the log's key from the trust file, the checkpoint and every tile from the URL, and prints a line for each
// check. The first check that fails ends it with exit code 1.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Hashes of a full tile have this height: 2^8 = 256 (C2SP tlog-tiles).
const tileHeight = 8

const tileWidth = 1 << tileHeight

// Entries whose inclusion is proved besides the first and the last, chosen by a fixed seed.
const sampled = 1000

// The log has this long to publish what it is asked for.
const waitMax = 2 * time.Minute

func main() {
	if len(os.Args) != 4 {
		fail("usage: auditor URL TRUST-FILE ENTRIES")
	}
	due, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err)
	log := &servedLog{url: strings.TrimSuffix(os.Args[1], "/"), tiles: map[string][]byte{}}
	begun := time.Now()

	tree := log.checkpoint(logKey(os.Args[2]), due)
	hashes := tlog.TileHashReader(tree, log)
	checkRoot(tree, hashes)
	checkTiles(log, tree, checkEntries(log, tree))
	checkInclusion(tree, hashes)
	checkConsistency(tree, hashes)
	fmt.Printf("accepted: %d entries in %d s\n", tree.N, int(time.Since(begun).Seconds()))
}

// servedLog reads a log over HTTP, each tile once.
type servedLog struct {
	url   string
	tiles map[string][]byte
}

// Height makes servedLog a tlog.TileReader.
func (log *servedLog) Height() int { return tileHeight }

// ReadTiles makes servedLog a tlog.TileReader. Go's paths name the height, C2SP's do not.
func (log *servedLog) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		path := "tile/" + strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
		read, known := log.tiles[path]
		if !known {
			read = log.read(path)
			log.tiles[path] = read
		}
		data = append(data, read)
	}
	return data, nil
}

// SaveTiles makes servedLog a tlog.TileReader; what was read is kept already.
func (log *servedLog) SaveTiles([]tlog.Tile, [][]byte) {}

func (log *servedLog) read(path string) []byte {
	body, status := log.ask(path)
	if status != http.StatusOK {
		fail("%s: %s", path, http.StatusText(status))
	}
	return body
}

func (log *servedLog) ask(path string) ([]byte, int) {
	response, err := http.Get(log.url + "/" + path)
	check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err)
	return body, response.StatusCode
}

// checkpoint waits for a tree head of so many entries, and believes it only if the log's key has signed it.
func (log *servedLog) checkpoint(vkey string, due int64) tlog.Tree {
	key, err := note.NewVerifier(vkey)
	check(err)
	tree := log.newestTree(key)
	for end := time.Now().Add(waitMax); tree.N < due; tree = log.newestTree(key) {
		if time.Now().After(end) {
			fail("the log has published %d entries of %d", tree.N, due)
		}
		time.Sleep(time.Second)
	}
	fmt.Printf("checkpoint: signed by %s, %d entries\n", key.Name(), tree.N)
	return tree
}

// newestTree is the tree without entries as long as the log has not published its first checkpoint.
func (log *servedLog) newestTree(key note.Verifier) tlog.Tree {
	published, status := log.ask("checkpoint")
	if status == http.StatusNotFound {
		return tlog.Tree{}
	}
	if status != http.StatusOK {
		fail("checkpoint: %s", http.StatusText(status))
	}
	opened, err := note.Open(published, note.VerifierList(key))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != key.Name() {
		fail("the checkpoint is not of %s", key.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize || len(root) != tlog.HashSize {
		fail("the root has %d bytes", len(root))
	}
	return tree
}

// checkRoot computes the root from the tiles.
func checkRoot(tree tlog.Tree, hashes tlog.HashReader) {
	root, err := tlog.TreeHash(tree.N, hashes)
	check(err)
	if root != tree.Hash {
		fail("the tiles have root %s, the checkpoint %s", root, tree.Hash)
	}
	fmt.Println("root: the tiles have the root of the checkpoint")
}

// checkEntries grows the tree anew from every entry, and compares its root with the checkpoint's.
func checkEntries(log *servedLog, tree tlog.Tree) stored {
	var grown stored
	for first := int64(0); first < tree.N; first += tileWidth {
		width := tree.N - first
		if width > tileWidth {
			width = tileWidth
		}
		tile := tlog.Tile{H: tileHeight, L: -1, N: first / tileWidth, W: int(width)}
		path := "tile/entries/" + strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/data/", tileHeight))
		entries := split(path, log.read(path))
		if len(entries) != int(width) {
			fail("%s: %d entries", path, len(entries))
		}
		for at, entry := range entries {
			hashes, err := tlog.StoredHashes(first+int64(at), entry, grown)
			check(err)
			grown = append(grown, hashes...)
		}
	}
	root, err := tlog.TreeHash(tree.N, grown)
	check(err)
	if root != tree.Hash {
		fail("the entries have root %s, the checkpoint %s", root, tree.Hash)
	}
	fmt.Printf("entries: all %d together have the root of the checkpoint\n", tree.N)
	return grown
}

// stored are the hashes of a tree in memory, in the order of tlog.StoredHashIndex.
type stored []tlog.Hash

// ReadHashes makes stored a tlog.HashReader.
func (hashes stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var read []tlog.Hash
	for _, index := range indexes {
		read = append(read, hashes[index])
	}
	return read, nil
}

// checkTiles compares every tile with the one that the entries make. tlog.TileHashReader alone would not do: that of x/mod
// 0.7.0 begins to authenticate behind as many tiles as the tree has subtrees, and hands out those before it as they came.
func checkTiles(log *servedLog, tree tlog.Tree, grown stored) {
	tiles := tlog.NewTiles(tileHeight, 0, tree.N)
	for _, tile := range tiles {
		due, err := tlog.ReadTileData(tile, grown)
		check(err)
		served, err := log.ReadTiles([]tlog.Tile{tile})
		check(err)
		if !bytes.Equal(served[0], due) {
			fail("%s: not the hashes of the entries", tile.Path())
		}
	}
	fmt.Printf("tiles: all %d hold the hashes of the entries\n", len(tiles))
}

// split takes an entry bundle apart: each entry stands after its length in two bytes.
func split(path string, bundle []byte) [][]byte {
	var entries [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
			fail("%s: cut short", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		entries = append(entries, bundle[2:end])
		bundle = bundle[end:]
	}
	return entries
}

// checkInclusion proves the first entry, the last, and a sample; and that no proof does for the neighbour.
func checkInclusion(tree tlog.Tree, hashes tlog.HashReader) {
	indexes := []int64{0, tree.N - 1}
	random := rand.New(rand.NewSource(1))
	for len(indexes) < sampled+2 {
		indexes = append(indexes, random.Int63n(tree.N))
	}
	longest := 0
	for _, index := range indexes {
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		check(err)
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf[0]))
		if tlog.CheckRecord(proof, tree.N, tree.Hash, index^1, leaf[0]) == nil {
			fail("the proof of entry %d proves entry %d too", index, index^1)
		}
		if len(proof) > longest {
			longest = len(proof)
		}
	}
	fmt.Printf("inclusion: %d entries proved, %d hashes at most\n", len(indexes), longest)
}

// checkConsistency proves that the tree extends the trees of smaller sizes, around the borders of tiles above all.
func checkConsistency(tree tlog.Tree, hashes tlog.HashReader) {
	sizes := []int64{1, 2, 255, 256, 257, 4095, 65535, 65536, 65537, tree.N / 2, tree.N - 1, tree.N}
	random := rand.New(rand.NewSource(2))
	for len(sizes) < 100 {
		sizes = append(sizes, 1+random.Int63n(tree.N))
	}
	checked := 0
	for _, size := range sizes {
		if size < 1 || size > tree.N {
			continue
		}
		root, err := tlog.TreeHash(size, hashes)
		check(err)
		proof, err := tlog.ProveTree(tree.N, size, hashes)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, size, root))
		root[0] ^= 1
		if tlog.CheckTree(proof, tree.N, tree.Hash, size, root) == nil {
			fail("another tree of size %d is consistent too", size)
		}
		checked++
	}
	fmt.Printf("consistency: with the trees of %d sizes\n", checked)
}

// logKey is the key of the first log of a trust file (C2SP tlog-policy).
func logKey(path string) string {
	text, err := os.ReadFile(path)
	check(err)
	for _, line := range strings.Split(string(text), "\n") {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "log" {
			return words[1]
		}
	}
	fail("%s names no log", path)
	return ""
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "refused: "+format+"\n", arguments...)
	os.Exit(1)
}
