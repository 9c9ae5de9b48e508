// Writes a starting corpus for every fuzz target: one file for each valid form.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/crypto/hash.h"
#include "core/identity/credential.h"
#include "core/location/claim.h"
#include "core/location/node_record.h"
#include "core/wire/control_message.h"
#include "core/wire/ethernet.h"
#include "core/wire/frame_pack.h"
#include "core/wire/handshake_payload.h"
#include "core/wire/header.h"
#include "core/wire/neighbor.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"

namespace {

using namespace rove;

class Corpus {
 public:
  explicit Corpus(std::filesystem::path root) : root_(std::move(root)) {}

  void add(const std::string& target, const std::string& name, BytesView bytes) const {
    std::filesystem::create_directories(root_ / target);
    std::ofstream out{root_ / target / name, std::ios::binary};
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::filesystem::path root_;
};

void add_wire(const Corpus& corpus) {
  Bytes header(kHeaderSize);
  store_header(header.data(), {DatagramType::Data, kFlagForwarded | 0x10, 0, SessionIndex{7}, {1, 42}});
  corpus.add("header", "data", header);
  store_header(header.data(), {DatagramType::Control, 0, 0, SessionIndex{7}, {0, 42}});
  corpus.add("header", "control", header);

  const std::vector<std::pair<std::string, ControlMessage>> messages{
      {"ping", PingMessage{1}},
      {"pong", PongMessage{1, endpoint_of("192.0.2.1:7683")}},
      {"claims", ClaimsMessage{{Bytes(146, 1), Bytes(130, 2)}}},
      {"claim-ack", ClaimAckMessage{{RecordId{}, RecordId{}}}},
      {"claim-request", ClaimRequestMessage{VmAddress{mac_of("02:00:00:00:00:01")}}},
      {"claim-none", ClaimNoneMessage{VmAddress{ip_of("fd77::1")}}},
      {"node-records", NodeRecordsMessage{{Bytes(150, 3)}}},
      {"certificate-request", CertificateRequestMessage{}},
      {"certificate", CertificateMessage{Bytes(370, 4)}},
      {"close", CloseMessage{}},
      {"conflict-check",
       ConflictCheckMessage{mac_of("02:00:00:00:00:01"), 7, ConflictStage::Verdict, 1'767'225'600'000}},
      {"conflict-evidence",
       ConflictEvidenceMessage{mac_of("02:00:00:00:00:01"), 7, ConflictStage::Question, 1'767'225'600'000, true}},
      {"prepare", PrepareMessage{mac_of("02:00:00:00:00:01")}},
      {"correspondents", CorrespondentsMessage{mac_of("02:00:00:00:00:01"), {NodeId{{1}}, NodeId{{2}}}}},
      {"padding", PaddingMessage{40}},
      {"search", SearchMessage{mac_of("02:00:00:00:00:01"), {ip_of("10.77.0.5"), ip_of("fd77::1")}}},
  };
  Bytes all;
  for (const auto& [name, message] : messages) {
    Bytes one;
    encode(message, one);
    corpus.add("control_message", name, one);
    if (all.size() + one.size() <= kControlPlaintextMax) all.insert(all.end(), one.begin(), one.end());
  }
  corpus.add("control_message", "several", all);

  HandshakePayload payload;
  payload.session = SessionIndex{9};
  payload.aeads = 3;
  payload.mtu = 1400;
  payload.certificate = Bytes(367, 5);
  payload.node_record = Bytes(140, 6);
  corpus.add("handshake_payload", "plain", encode(payload));
  payload.observed = endpoint_of("[2001:db8::1]:7683");
  corpus.add("handshake_payload", "observed", encode(payload));

  Bytes buffer(2048);
  FramePacker packer{buffer};
  for (std::size_t size = 14; size < 300; size += 60) {
    if (!packer.append(Bytes(size, 7), size > 100)) break;
  }
  corpus.add("frame_pack", "several", packer.plaintext());

  const Neighbor a{mac_of("02:00:00:00:00:01"), ip_of("10.77.0.1")};
  const Neighbor b{mac_of("02:00:00:00:00:02"), ip_of("10.77.0.2")};
  const Neighbor a6{a.mac, ip_of("fd77::1")};
  const Neighbor b6{b.mac, ip_of("fd77::2")};
  corpus.add("ethernet", "arp-request", make_arp_request(a, b.ip));
  corpus.add("ethernet", "arp-reply", make_arp_reply(a, b));
  corpus.add("ethernet", "gratuitous", make_gratuitous_arp(a));
  corpus.add("ethernet", "rarp", make_rarp_announce(a.mac));
  corpus.add("ethernet", "solicitation", make_neighbor_solicitation(a6, b6.ip));
  corpus.add("ethernet", "advertisement", make_neighbor_advertisement(a6, b6));
  corpus.add("ethernet", "unsolicited", make_unsolicited_advertisement(a6));
}

void add_identity(const Corpus& corpus) {
  TestNetwork network;
  const TestNode& node = network.add_node("host-a");
  corpus.add("certificate", "node", node.certificate.der());
  corpus.add("certificate", "ca", network.anchor().der());

  Credential credential;
  credential.ca_der = network.anchor().der();
  credential.certificate_der = node.certificate.der();
  credential.seed = node.seed.clone();
  credential.network.name = "testnet";
  credential.network.key = network.key().clone();
  credential.network.subnets = network.subnets();
  credential.network.bootstrap = {"boot.example:7683"};
  const auto text = encode_credential(credential);
  corpus.add("credential", "full", as_bytes(std::string_view{text}));

  // Of the all-zero network, which the fuzz target verifies for.
  SeededRandom random{5};
  const SigningSeed seed = SigningSeed::generate(random);
  Claim claim;
  claim.mac = mac_of("02:00:00:00:00:01");
  claim.ips = {ip_of("10.77.0.1"), ip_of("fd77::1")};
  claim.owner = node_key_of(seed);
  claim.sequence = 1;
  claim.not_after = kTestNow;
  corpus.add("record", "claim", sign_claim(claim, NetworkId{}, seed).encoded);
  claim.state = ClaimState::Gone;
  claim.ips.clear();
  corpus.add("record", "gone", sign_claim(claim, NetworkId{}, seed).encoded);
  NodeRecord record;
  record.node = claim.owner;
  record.endpoints = {endpoint_of("192.0.2.1:7683"), endpoint_of("[2001:db8::1]:7683")};
  corpus.add("record", "node", sign_node_record(record, NetworkId{}, seed).encoded);
}

void add_dht(const Corpus& corpus) {
  // Written out by hand after OpenDHT's messages: ping, find, get; the datagram that kills 2.4.12.
  const auto add = [&corpus](const char* name, const char* hex) { corpus.add("dht_message", name, from_hex(hex)); };
  const std::string id = std::string{"c414"} + std::string(40, '7');
  add("ping", ("84a16181a26964" + id + "a171a470696e67a174ce00000001a179a171").c_str());
  add("killer", "83a16590a179a165a174ce00000005");
  add("bomb", "dd9190dddddd");  // six octets that ask msgpack for 64 GiB
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s tests/fuzz/corpus\n", argv[0]);
    return 2;
  }
  init_crypto();
  const Corpus corpus{argv[1]};
  add_wire(corpus);
  add_identity(corpus);
  add_dht(corpus);
  return 0;
}
