using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Mediation.Core.V1;
using Mediation.Desk.V1;
using Mediation.Ledger.V1;
using Mediation.Types.V1;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace Example
{
    /// <summary>An act that is asked for, with the parts that the ledger must make of it, in the order of the commitments.</summary>
    public sealed class Asked
    {
        public string Chain, EventId;
        public long OccurredAt;
        public ActHeader Header;
        public CoreAct Act;
        public List<(PartKind Kind, CoreAct Act)> Parts;

        // Another kind of agency has another desk and request type; the rest is the same.
        public PetitionRecordRequest Request()
        {
            return new PetitionRecordRequest
            {
                ChainId = Chain, EventId = EventId, Header = Header, Core = Act,
                OccurredAt = new Timestamp { Seconds = OccurredAt },
            };
        }

        /// <summary>Kind, number and plaintext of each part, by our own encoding.</summary>
        public List<DisclosedPart> Encoded()
        {
            return Parts.Select(part =>
            {
                var whole = new Act { Core = part.Act };
                if (part.Kind == PartKind.Act) whole.Header = Header;
                return new DisclosedPart { Kind = part.Kind, Plaintext = whole.ToByteString() };
            }).ToList();
        }

        /// <summary>Whether these parts are what was asked for, byte for byte: a server could have made another act of it.</summary>
        public bool IsSaidBy(IEnumerable<DisclosedPart> shown)
        {
            var bare = shown.Select(part => new DisclosedPart { Kind = part.Kind, Number = part.Number, Plaintext = part.Plaintext });
            return bare.SequenceEqual(Encoded());
        }
    }

    /// <summary>Calls that are made again while that is of use, and what a refusal says.</summary>
    public static class Calls
    {
        private const int SendingsMax = 8; // a ledger that is away for longer is a matter for people
        private const double PauseSecondsMax = 10;
        private static readonly Random Chance = new Random();

        public static DateTime Deadline()
        {
            return DateTime.UtcNow.AddSeconds(30);
        }

        /// <summary>Sends a request, and the very same again while nobody can know whether it was carried out. The event id in it
        /// makes that safe: the same act gets the same receipt.</summary>
        public static T Call<T>(Func<T> request)
        {
            for (int sending = 0; ; sending++)
            {
                try
                {
                    return request();
                }
                catch (RpcException error)
                {
                    double? pause = PauseBefore(error, sending);
                    if (pause == null || sending + 1 == SendingsMax) throw;
                    Thread.Sleep(TimeSpan.FromSeconds(pause.Value));
                }
            }
        }

        /// <summary>Seconds to wait before the same request is sent again; none when it must not be.</summary>
        private static double? PauseBefore(RpcException error, int sending)
        {
            var retry = Detail(error, Google.Rpc.RetryInfo.Parser, "RetryInfo");
            if (retry != null) return Math.Min(retry.RetryDelay.ToTimeSpan().TotalSeconds, PauseSecondsMax);
            // A refusal of the ledger that names no delay is final. A status without details comes from the way there.
            bool isCut = error.StatusCode == StatusCode.Unavailable || error.StatusCode == StatusCode.ResourceExhausted
                || error.StatusCode == StatusCode.DeadlineExceeded;
            if (!isCut || Reason(error) != "") return null;
            return Math.Min(0.1 * Math.Pow(2, sending), PauseSecondsMax) * (0.5 + Chance.NextDouble() / 2);
        }

        public static string Reason(RpcException error)
        {
            var info = Detail(error, Google.Rpc.ErrorInfo.Parser, "ErrorInfo");
            return info == null ? "" : info.Reason;
        }

        /// <summary>What a refusal says, in English and Chinese.</summary>
        public static string Told(RpcException error)
        {
            var chinese = Detail(error, Google.Rpc.LocalizedMessage.Parser, "LocalizedMessage");
            string code = error.StatusCode == StatusCode.Unavailable ? "UNAVAILABLE" : error.StatusCode.ToString();
            string reason = Reason(error) == "" ? code : Reason(error);
            return reason + "\n  en: " + error.Status.Detail + "\n  zh: " + (chinese == null ? "—" : chinese.Message);
        }

        /// <summary>One detail of the standard error model, by the name of its type in google.rpc.</summary>
        private static T Detail<T>(RpcException error, MessageParser<T> parser, string name) where T : class, IMessage<T>
        {
            byte[] packed = error.Trailers.GetValueBytes("grpc-status-details-bin");
            if (packed == null) return null;
            Any found = Google.Rpc.Status.Parser.ParseFrom(packed).Details
                .FirstOrDefault(any => any.TypeUrl.EndsWith("/google.rpc." + name, StringComparison.Ordinal));
            return found == null ? null : parser.ParseFrom(found.Value);
        }
    }

    /// <summary>An agency's system: it records, signs and reads, and believes nothing that is not proved.</summary>
    public sealed class Client : IDisposable
    {
        private const int SigningsMax = 8; // times an act is prepared anew while others move its chain

        private readonly GrpcChannel channel;
        private readonly PetitionDesk.PetitionDeskClient desk;
        private readonly ChainService.ChainServiceClient chains;
        private readonly Trust trust;
        private readonly string agency, tamper;
        private readonly Ed25519PrivateKeyParameters key;
        private readonly byte[] publicKey;
        private readonly ByteString keyId;

        public Client(string address, string directory, string agency, string tamper)
        {
            this.agency = agency;
            this.tamper = tamper;
            trust = new Trust(File.ReadAllText(Path.Combine(directory, "policy")));
            // An Ed25519 key in PKCS #8 version 2, which carries the public key: the seed is bytes 16 to 47.
            var lines = File.ReadAllLines(Path.Combine(directory, "keys", agency, "signing.key")).Where(line => !line.StartsWith("-"));
            key = new Ed25519PrivateKeyParameters(Convert.FromBase64String(string.Concat(lines)), 16);
            publicKey = key.GeneratePublicKey().GetEncoded();
            keyId = ByteString.CopyFrom(Proof.Sha256(new byte[] { 1 }, publicKey));
            channel = GrpcChannel.ForAddress("https://" + address, new GrpcChannelOptions { HttpHandler = Handler(directory, agency) });
            desk = new PetitionDesk.PetitionDeskClient(channel);
            chains = new ChainService.ChainServiceClient(channel);
        }

        /// <summary>The server must show a certificate of this authority for the name it is called by; we show our agency's.</summary>
        private static HttpMessageHandler Handler(string directory, string agency)
        {
            string own = Path.Combine(directory, "pki", "agencies", agency);
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.ImportFromPemFile(Path.Combine(directory, "pki", "authority.pem"));
            var handler = new SocketsHttpHandler();
            handler.SslOptions = new SslClientAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls13, CertificateChainPolicy = policy,
                ClientCertificates = new X509CertificateCollection
                {
                    X509Certificate2.CreateFromPemFile(Path.Combine(own, "certificate.pem"), Path.Combine(own, "certificate.key")),
                },
            };
            return handler;
        }

        public void Dispose()
        {
            channel.Dispose();
        }

        /// <summary>Signed by the desk, which holds the agency's key.</summary>
        public Receipt Record(Asked asked)
        {
            Receipt receipt = Calls.Call(() => desk.Record(asked.Request(), deadline: Calls.Deadline()));
            TamperReceipt(receipt);
            return CheckReceipt(receipt, asked);
        }

        /// <summary>Signed here: the key never comes near the server, and signs nothing but what was asked for.</summary>
        public Receipt RecordSigned(Asked asked)
        {
            for (int signing = 1; ; signing++)
            {
                var wanted = new PetitionPrepareRequest { Request = asked.Request(), KeyId = keyId };
                PrepareResponse answer = Calls.Call(() => desk.Prepare(wanted, deadline: Calls.Deadline()));
                // An earlier run has recorded it and did not hear the answer.
                if (answer.ResultCase == PrepareResponse.ResultOneofCase.Recorded) return CheckReceipt(answer.Recorded, asked);
                Prepared prepared = answer.Prepared;
                TamperPrepared(prepared);
                var request = new SubmitRequest { Statement = prepared.Statement };
                request.Parts.AddRange(CheckPrepared(prepared, asked));
                request.Signatures.Add(new Signature { KeyId = keyId, Value = Sign(Proof.PreAuthentication(prepared.Statement)) });
                try
                {
                    return CheckReceipt(Calls.Call(() => desk.Submit(request, deadline: Calls.Deadline())), asked);
                }
                catch (RpcException error)
                {
                    if (Calls.Reason(error) != "PREPARED_STALE" || signing == SigningsMax) throw;
                }
            }
        }

        private ByteString Sign(byte[] data)
        {
            var signer = new Ed25519Signer();
            signer.Init(true, key);
            signer.BlockUpdate(data, 0, data.Length);
            return ByteString.CopyFrom(signer.GenerateSignature());
        }

        /// <summary>Every field is as it was asked for. Revision, predecessor and rule set are the chain's.</summary>
        private void CheckStatement(Statement statement, Asked asked)
        {
            Unproved.Require(statement.Origin == trust.Origin, "the statement has another origin");
            Unproved.Require(statement.Chain.Equals(Proof.UuidBytes(asked.Chain)), "the statement has another chain");
            Unproved.Require(statement.EventId.Equals(Proof.UuidBytes(asked.EventId)), "the statement has another event_id");
            Unproved.Require(statement.Agency == agency, "the statement has another agency");
            Unproved.Require(statement.KeyId.Equals(keyId), "the statement has another key_id");
            Unproved.Require(statement.OccurredAt == asked.OccurredAt, "the statement has another occurred_at");
            bool isUnlinked = statement.Previous.Equals(ByteString.CopyFrom(new byte[32]));
            Unproved.Require((statement.Revision == 0) == isUnlinked, "the statement is linked wrongly");
            var places = statement.Commitments.Select(commitment => (commitment.Kind, commitment.Number));
            Unproved.Require(places.SequenceEqual(asked.Parts.Select(part => (part.Kind, 0u))), "the statement commits to other parts");
        }

        private List<DisclosedPart> CheckPrepared(Prepared prepared, Asked asked)
        {
            Statement statement = Proof.Canonical(Statement.Parser, prepared.Statement);
            CheckStatement(statement, asked);
            List<DisclosedPart> parts = prepared.Parts.Select(shown => shown.Part).ToList();
            Unproved.Require(asked.IsSaidBy(parts), "a part says something else than was asked for");
            trust.CheckParts(statement, parts);
            return parts;
        }

        private void CheckSignature(Entry entry, Statement statement)
        {
            List<Signature> own = entry.Signatures.Where(signature => signature.KeyId.Equals(keyId)).ToList();
            Unproved.Require(statement.KeyId.Equals(keyId) && own.Count == 1
                && Proof.IsSigned(publicKey, own[0].Value.ToByteArray(), Proof.PreAuthentication(entry.Statement)),
                "the agency's key has not signed the entry");
        }

        private Receipt CheckReceipt(Receipt receipt, Asked asked)
        {
            Unproved.Require(receipt.Seal != null, "the receipt is not sealed");
            var signed = trust.Signed(receipt);
            CheckStatement(signed.Statement, asked);
            CheckSignature(signed.Entry, signed.Statement);
            trust.Include(receipt, trust.Checkpoint(receipt.Seal.Checkpoint));
            return receipt;
        }

        /// <summary>The chain, every entry proved. An entry of another agency would need that agency's key from the registry chain,
        /// as `mediation verify` reads it; this example knows its own key only, and refuses what it cannot prove.</summary>
        public GetChainResponse Read(string chain, string official)
        {
            var reading = new Reading { Reader = official, Role = Role.Reg, Purpose = AccessPurpose.Handling };
            var wanted = new GetChainRequest { ChainId = chain, Reading = reading };
            GetChainResponse answer = Calls.Call(() => chains.GetChain(wanted, deadline: Calls.Deadline()));
            TamperChain(answer);
            var checkpoint = trust.Checkpoint(answer.Checkpoint);
            ByteString head = ByteString.CopyFrom(new byte[32]);
            ulong revision = 0;
            foreach (ChainEntry shown in answer.Entries)
            {
                trust.Include(shown.Receipt, checkpoint);
                Unproved.Require(shown.Fault == "", "entry " + revision + " does not count: " + shown.Fault);
                if (shown.Receipt.Entry.Length > 0) // without it a placeholder: we may not know more than its hash
                {
                    var signed = trust.Signed(shown.Receipt);
                    Unproved.Require(signed.Statement.Chain.Equals(Proof.UuidBytes(chain)) && signed.Statement.Revision == revision
                        && signed.Statement.Previous.Equals(head), "entry " + revision + " is linked wrongly");
                    Unproved.Require(signed.Statement.Agency == agency, "entry " + revision + " is one of another agency");
                    CheckSignature(signed.Entry, signed.Statement);
                    trust.CheckParts(signed.Statement, shown.Parts);
                }
                head = shown.Receipt.LeafHash;
                revision++;
            }
            return answer;
        }

        // Changes one byte of an answer on demand, so that everybody can see that it is refused.

        private static ByteString Flipped(ByteString data)
        {
            byte[] changed = data.ToByteArray();
            changed[changed.Length - 1] ^= 1;
            return ByteString.CopyFrom(changed);
        }

        private void TamperReceipt(Receipt receipt)
        {
            if (tamper == "entry") receipt.Entry = Flipped(receipt.Entry);
            if (tamper == "path") receipt.Seal.Inclusion[0] = Flipped(receipt.Seal.Inclusion[0]);
            if (tamper == "checkpoint") receipt.Seal.Checkpoint = receipt.Seal.Checkpoint.Replace("\n\n", "1\n\n");
        }

        private void TamperPrepared(Prepared prepared)
        {
            if (tamper == "statement") prepared.Statement = Flipped(prepared.Statement);
            if (tamper == "part") prepared.Parts[1].Part.Plaintext = Flipped(prepared.Parts[1].Part.Plaintext);
            if (tamper == "salt") prepared.Parts[0].Part.Salt = Flipped(prepared.Parts[0].Part.Salt);
        }

        private void TamperChain(GetChainResponse answer)
        {
            if (tamper != "chain") return;
            DisclosedPart part = answer.Entries[1].Parts[0];
            part.Plaintext = Flipped(part.Plaintext);
        }
    }
}
