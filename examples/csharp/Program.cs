// Records two acts at the desk of a petition bureau, proves their receipts, and reads the dispute back.
//
// usage: dotnet run -- --ledger 127.0.0.1:7443 --dir LEDGER --agency XF-FL --journal FILE [--tamper STEP]
//
// Exit code: 0 all is proved, 1 the ledger refused or an answer proves nothing.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using Grpc.Core;
using Mediation.Core.V1;
using Mediation.Ledger.V1;
using Mediation.Types.V1;

namespace Example
{
    public static class Program
    {
        /// <summary>A random UUID; of version 7, 48 bits of milliseconds and then chance (RFC 9562).</summary>
        private static string NewUuid(int version)
        {
            byte[] id = RandomNumberGenerator.GetBytes(16);
            long now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
            for (int at = 5; version == 7 && at >= 0; at--, now >>= 8) id[at] = (byte)now;
            id[6] = (byte)(id[6] & 0x0f | version << 4);
            id[8] = (byte)(id[8] & 0x3f | 0x80);
            string digits = Convert.ToHexString(id).ToLowerInvariant();
            return string.Join("-", digits.Substring(0, 8), digits.Substring(8, 4), digits.Substring(12, 4), digits.Substring(16, 4),
                digits.Substring(20));
        }

        /// <summary>Chain and event ids, on disk before anything is sent: who crashes sends the same again, and records nothing
        /// twice.</summary>
        private static string[] IdsOf(string journal)
        {
            if (!File.Exists(journal))
            {
                string fresh = journal + ".new";
                using (var file = new FileStream(fresh, FileMode.Create))
                using (var writer = new StreamWriter(file))
                {
                    writer.Write(string.Join("\n", NewUuid(4), NewUuid(7), NewUuid(7), DateTimeOffset.UtcNow.ToUnixTimeSeconds()));
                    writer.Flush();
                    file.Flush(true);
                }
                File.Move(fresh, journal);
            }
            return File.ReadAllLines(journal);
        }

        private static Party NewParty(string subject, PartySide side)
        {
            return new Party { Subject = subject, Side = side, Capacity = PartyCapacity.NaturalPerson, Minor = false };
        }

        // Which field stands in which part: the proto files say it of each field. Every other field stands in the act part. Each
        // subject has an identities part of its own; the acts here name one subject each.

        private static Asked Registered(string[] ids, ActHeader header)
        {
            var whole = new DisputeRegistered
            {
                Channel = Channel.WalkIn, Division = "360222", DisputeType = DisputeType.Lease, Emergency = false,
                Parties = { NewParty("psn_1", PartySide.Applicant) },
                Identities = { new Identity { Subject = "psn_1", Name = "霍砚秋" } }, Summary = "拖欠租金",
            };
            DisputeRegistered facts = whole.Clone();
            facts.Identities.Clear();
            facts.ClearSummary();
            Func<DisputeRegistered, CoreAct> act = said => new CoreAct { DisputeRegistered = said };
            return new Asked
            {
                Chain = ids[0], EventId = ids[1], OccurredAt = long.Parse(ids[3]), Header = header, Act = act(whole),
                Parts = new List<(PartKind, CoreAct)>
                {
                    (PartKind.Act, act(facts)),
                    (PartKind.Identities, act(new DisputeRegistered { Identities = { whole.Identities } })),
                    (PartKind.Narrative, act(new DisputeRegistered { Summary = whole.Summary })),
                },
            };
        }

        private static Asked Added(string[] ids, ActHeader header)
        {
            Party party = NewParty("psn_2", PartySide.Respondent);
            var identity = new Identity { Subject = "psn_2", Name = "闻人岫" };
            Func<PartyAdded, CoreAct> act = said => new CoreAct { PartyAdded = said };
            return new Asked
            {
                Chain = ids[0], EventId = ids[2], OccurredAt = long.Parse(ids[3]), Header = header,
                Act = act(new PartyAdded { Party = party, Identity = identity }),
                Parts = new List<(PartKind, CoreAct)>
                {
                    (PartKind.Act, act(new PartyAdded { Party = party })),
                    (PartKind.Identities, act(new PartyAdded { Identity = identity })),
                },
            };
        }

        private static void Run(Dictionary<string, string> options)
        {
            string agency = options["agency"], official = agency + "/REG-1", tamper;
            options.TryGetValue("tamper", out tamper);
            string[] ids = IdsOf(options["journal"]);
            var header = new ActHeader { Signer = official, SignerRole = Role.Reg };
            Asked registered = Registered(ids, header), added = Added(ids, header);
            using (var client = new Client(options["ledger"], options["dir"], agency, tamper))
            {
                Say("desk", client.Record(registered));
                Say("caller", client.RecordSigned(added));
                GetChainResponse answer = client.Read(ids[0], official);
                // The desk chose the salts of what it signed, so this is where we see that it recorded what we asked for.
                foreach (Asked asked in new[] { registered, added })
                {
                    Unproved.Require(answer.Entries.Any(entry => entry.Receipt.EventId == asked.EventId && asked.IsSaidBy(entry.Parts)),
                        "the chain does not say what was asked for");
                }
                Console.WriteLine("verified: chain " + ids[0] + ", " + answer.Entries.Count + " entries");
            }
        }

        private static void Say(string how, Receipt receipt)
        {
            Console.WriteLine("recorded, signed by the " + how + ": revision " + receipt.Revision + ", leaf " + receipt.Seal.LeafIndex);
        }

        public static int Main(string[] arguments)
        {
            var options = new Dictionary<string, string>();
            for (int at = 0; at + 1 < arguments.Length; at += 2) options[arguments[at].TrimStart('-')] = arguments[at + 1];
            if (new[] { "ledger", "dir", "agency", "journal" }.Any(name => !options.ContainsKey(name)))
            {
                Console.Error.WriteLine("needed: --ledger, --dir, --agency, --journal");
                return 2;
            }
            try
            {
                Run(options);
                return 0;
            }
            catch (RpcException error)
            {
                Console.Error.WriteLine(Calls.Told(error));
            }
            catch (Exception error)
            {
                // What cannot be read is no proof either.
                Console.Error.WriteLine("refused: " + error.Message);
            }
            return 1;
        }
    }
}
