using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Mediation.Ledger.V1;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace Example
{
    /// <summary>An answer is not what was asked for, or is not proved. Nobody should rely on it.</summary>
    public sealed class Unproved : Exception
    {
        public Unproved(string what) : base(what) { }

        public static void Require(bool holds, string what)
        {
            if (!holds) throw new Unproved(what);
        }
    }

    /// <summary>What is hashed and signed, byte for byte.</summary>
    public static class Proof
    {
        private const string PayloadType = "application/vnd.mediation-ledger.statement.v1+protobuf";

        public static byte[] Utf8(string text)
        {
            return Encoding.UTF8.GetBytes(text);
        }

        public static byte[] Sha256(params byte[][] pieces)
        {
            return SHA256.HashData(pieces.SelectMany(piece => piece).ToArray());
        }

        /// <summary>The 16 bytes of a UUID as it is written.</summary>
        public static ByteString UuidBytes(string uuid)
        {
            return ByteString.CopyFrom(Convert.FromHexString(uuid.Replace("-", "")));
        }

        public static bool IsSigned(byte[] key, byte[] signature, byte[] signed)
        {
            if (key.Length != 32 || signature.Length != 64) return false;
            var verifier = new Ed25519Signer();
            verifier.Init(false, new Ed25519PublicKeyParameters(key, 0));
            verifier.BlockUpdate(signed, 0, signed.Length);
            return verifier.VerifySignature(signature);
        }

        /// <summary>RFC 6962 section 2.1.1.</summary>
        public static bool IsIncluded(byte[] leaf, ulong index, ulong size, IReadOnlyList<ByteString> path, byte[] root)
        {
            if (index >= size || leaf.Length != 32 || path.Any(sibling => sibling.Length != 32)) return false;
            int inner = 64 - BitOperations.LeadingZeroCount(index ^ (size - 1));
            // A shift by 64 would be none in C#.
            int border = inner == 64 ? 0 : BitOperations.PopCount(index >> inner);
            if (path.Count != inner + border) return false;
            byte[] node = leaf;
            for (int level = 0; level < path.Count; level++)
            {
                byte[] sibling = path[level].ToByteArray();
                bool isRight = level >= inner || (index >> level & 1) == 1;
                node = isRight ? Sha256(new byte[] { 1 }, sibling, node) : Sha256(new byte[] { 1 }, node, sibling);
            }
            return node.SequenceEqual(root);
        }

        public static byte[] PreAuthentication(ByteString statement)
        {
            string head = "DSSEv1 " + PayloadType.Length + " " + PayloadType + " " + statement.Length + " ";
            return Utf8(head).Concat(statement.ToByteArray()).ToArray();
        }

        public static byte[] PartDigest(string origin, ByteString eventId, DisclosedPart part)
        {
            byte[] length = new byte[8];
            BinaryPrimitives.WriteUInt64BigEndian(length, (ulong)part.Plaintext.Length);
            return Sha256(Utf8("mediation-ledger/part/v1\0"), new byte[] { 1, (byte)origin.Length }, Utf8(origin), eventId.ToByteArray(),
                new byte[] { (byte)part.Kind, (byte)part.Number }, part.Salt.ToByteArray(), length, part.Plaintext.ToByteArray());
        }

        /// <summary>Parses what was signed or hashed. It has one encoding; two parsers must not read two things in it.</summary>
        public static T Canonical<T>(MessageParser<T> parser, ByteString data) where T : IMessage<T>
        {
            T message;
            try
            {
                message = parser.WithDiscardUnknownFields(true).ParseFrom(data);
            }
            catch (InvalidProtocolBufferException malformed)
            {
                throw new Unproved(malformed.Message);
            }
            Unproved.Require(message.ToByteString().Equals(data), "the " + typeof(T).Name + " is not canonical");
            return message;
        }
    }

    /// <summary>Origin and keys of the log, from the policy file, which an agency gets from the founders and not from the server.</summary>
    public sealed class Trust
    {
        private const byte LogKeyType = 1; // Ed25519 in C2SP signed-note

        private readonly Dictionary<string, byte[]> keys = new Dictionary<string, byte[]>();

        public string Origin { get; }

        public Trust(string policy)
        {
            foreach (string line in policy.Split('\n'))
            {
                const string retired = "# retired-";
                string named = line.StartsWith(retired, StringComparison.Ordinal) ? line.Substring(retired.Length) : line;
                string[] words = named.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (words.Length < 2 || words[0] != "log") continue;
                // A vkey: name, key id in hex, base64 of type and key; base64 may hold a + itself.
                string[] vkey = words[1].Split('+', 3);
                Unproved.Require(vkey.Length == 3, "the policy names a bad log key");
                byte[] typed = Convert.FromBase64String(vkey[2]);
                string keyId = Hex(Proof.Sha256(Proof.Utf8(vkey[0] + "\n"), typed).Take(4));
                Unproved.Require(typed.Length == 33 && typed[0] == LogKeyType && keyId == vkey[1], "the policy names a bad log key");
                Origin = vkey[0];
                keys[keyId] = typed.Skip(1).ToArray();
            }
            Unproved.Require(keys.Count > 0, "the policy names no log");
        }

        private static string Hex(IEnumerable<byte> bytes)
        {
            return Convert.ToHexString(bytes.ToArray()).ToLowerInvariant();
        }

        /// <summary>Size and root of a checkpoint that the log has signed.</summary>
        public (ulong Size, byte[] Root) Checkpoint(string note)
        {
            int end = note.IndexOf("\n\n", StringComparison.Ordinal) + 1;
            Unproved.Require(end > 0, "the checkpoint is no signed note");
            string text = note.Substring(0, end);
            foreach (string line in note.Substring(end + 1).Split('\n'))
            {
                string[] words = line.Split(' ');
                if (words.Length != 3 || words[0] != "—" || words[1] != Origin) continue;
                byte[] value = Convert.FromBase64String(words[2]);
                byte[] key;
                if (!keys.TryGetValue(Hex(value.Take(4)), out key)) continue;
                if (!Proof.IsSigned(key, value.Skip(4).ToArray(), Proof.Utf8(text))) continue;
                string[] lines = text.Split('\n');
                Unproved.Require(lines.Length > 3 && lines[0] == Origin, "the checkpoint is one of another log");
                return (ulong.Parse(lines[1]), Convert.FromBase64String(lines[2]));
            }
            throw new Unproved("the log has not signed the checkpoint");
        }

        public void Include(Receipt receipt, (ulong Size, byte[] Root) head)
        {
            Seal seal = receipt.Seal;
            Unproved.Require(seal != null && Proof.IsIncluded(receipt.LeafHash.ToByteArray(), seal.LeafIndex, head.Size,
                seal.Inclusion, head.Root), "the entry is not under the checkpoint");
        }

        /// <summary>Entry and statement of a receipt that stand where it says.</summary>
        public (Entry Entry, Statement Statement) Signed(Receipt receipt)
        {
            byte[] leaf = Proof.Sha256(new byte[] { 0 }, receipt.Entry.ToByteArray());
            Unproved.Require(receipt.LeafHash.ToByteArray().SequenceEqual(leaf), "the leaf hash is not that of the entry");
            Entry entry = Proof.Canonical(Entry.Parser, receipt.Entry);
            Statement statement = Proof.Canonical(Statement.Parser, entry.Statement);
            Unproved.Require(statement.Origin == Origin && statement.Chain.Equals(Proof.UuidBytes(receipt.ChainId))
                && statement.EventId.Equals(Proof.UuidBytes(receipt.EventId)) && statement.Revision == receipt.Revision,
                "the statement is about another ledger, chain, act or place");
            return (entry, statement);
        }

        public void CheckParts(Statement statement, IEnumerable<DisclosedPart> parts)
        {
            foreach (DisclosedPart part in parts)
            {
                Commitment commitment = statement.Commitments.FirstOrDefault(
                    item => item.Kind == part.Kind && item.Number == part.Number);
                Unproved.Require(commitment != null && commitment.Algorithm == 1 && part.Salt.Length == 32
                    && commitment.Digest.ToByteArray().SequenceEqual(Proof.PartDigest(Origin, statement.EventId, part)),
                    "a commitment is to something else than the part that is shown");
            }
        }
    }
}
