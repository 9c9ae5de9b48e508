#include "dht/message_check.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "tests/support/dht_network.h"

namespace rove {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Sent by OpenDHT 2.4.12.
constexpr std::string_view kPing =
    "86a16181a26964c414f937c37e949d9efa20d2958af309235c73ec039aa171a470696e67a174ce7662217fa179a171a176a4524e4731a16e"
    "4d";
constexpr std::string_view kPong =
    "85a17282a26964c414500d81aafe637717a52f8650e54206e64da33d27a27361c4040a010002a174ce7662217fa179a172a176a4524e4731"
    "a16e4d";
constexpr std::string_view kFind =
    "86a16182a26964c414500d81aafe637717a52f8650e54206e64da33d27a6746172676574c414c5b52af4c49c043d2965a6aa9ff421d67423"
    "ad15a171a466696e64a174ce52e1f817a179a171a176a4524e4731a16e4d";
constexpr std::string_view kSelectIds =
    "86a16183a26964c414f937c37e949d9efa20d2958af309235c73ec039aa168c41413fbd79c3d390e5d6585a21e11ff5ec1970cff0ca17182"
    "a173920104a17790a171a3676574a174ce643f3205a179a171a176a4524e4731a16e4d";
constexpr std::string_view kGetById =
    "86a16183a26964c4149da30539af3639c600c6256f7691750a581c36c2a168c41413fbd79c3d390e5d6585a21e11ff5ec1970cff0ca17182"
    "a17390a1779182a16601a176cf0000011f71fb04cba171a3676574a174cec75b0b20a179a171a176a4524e4731a16e4d";
constexpr std::string_view kListen =
    "86a16186a26964c414a46fe0c4dab0453f5d86bed6206040880f59393ea2766501a168c41413fbd79c3d390e5d6585a21e11ff5ec1970cff"
    "0ca5746f6b656ec420b26b11387026499efed11d08e344de1561c575135de6d868ec8ce24782cb3eaba3736964ceb9fb1044a17182a17390"
    "a1779182a16602a176cd726fa171a66c697374656ea174ceb9fb1046a179a171a176a4524e4731a16e4d";
constexpr std::string_view kPut =
    "86a16184a26964c414f937c37e949d9efa20d2958af309235c73ec039aa168c41413fbd79c3d390e5d6585a21e11ff5ec1970cff0ca67661"
    "6c7565739182a26964cf0000011f71fb04cba364617481a4626f647982a474797065cd726fa464617461c40807070707070707"
    "07a5746f6b656ec42087bba73a6c538b04103fe9fd2bf14b677b7ef9846c9f755dba24fd662b5f2ae5a171a3707574a174ce643f3207a179"
    "a171a176a4524e4731a16e4d";
constexpr std::string_view kRefresh =
    "86a16184a26964c414f937c37e949d9efa20d2958af309235c73ec039aa168c41413fbd79c3d390e5d6585a21e11ff5ec1970cff0ca37669"
    "64cf0000011f71fb04cba5746f6b656ec42087bba73a6c538b04103fe9fd2bf14b677b7ef9846c9f755dba24fd662b5f2ae5a171a7726566"
    "72657368a174ce643f320ba179a171a176a4524e4731a16e4d";
constexpr std::string_view kExpired =
    "86a16184a26964c41474e5a4bcab7355b8cab7df73d07747cd85c925e7a3736964ce5bdfc864a5746f6b656ec42089fdac7cde05ebc1585d"
    "a00e2166c9a5f75859a63b61e8b266cc8c4b125eb531a365787091cf0000011f71fb04cba179a171a176a4524e4731a16e4da171a6757064"
    "617465a174ce7b0f46e9";
constexpr std::string_view kFieldTable =
    "85a17284a26964c4140785284586ef5810b80560319ef24968e897f7cea27361c4040a010003a5746f6b656ec420c8bf358c6c580f418074"
    "866dc69cb3c93fc33750af9fda6840bc495095282a87a666696c65647382a166920104a17692cf0000011f71fb04cb00a174ce4c52b4daa1"
    "79a172a176a4524e4731a16e4d";
// The first octets of a part; a value of 1500 octets followed.
constexpr std::string_view kFirstPart =
    "84a16e4da179a170a174ceb2a91388a170810082a16f00a164c43082a26964cfab54a98ceb1f0ad2a364617481a4626f647982a474797065"
    "cd726fa464617461c505dc0808080808080808";

Bytes bytes_of(std::string_view hex) {
  Bytes bytes = from_hex(hex);
  REQUIRE_FALSE(bytes.empty());
  return bytes;
}

// Replaces one octet string, given in hex, that must occur.
Bytes replaced(std::string_view message, std::string_view what, std::string_view with) {
  std::string text{message};
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  text.replace(at, what.size(), with);
  return bytes_of(text);
}

}  // namespace

TEST_CASE("check_dht_message: what OpenDHT sends passes, with its kind") {
  CHECK(check_dht_message(bytes_of(kPing)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kPong)) == DhtMessageKind::Reply);
  CHECK(check_dht_message(bytes_of(kFind)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kSelectIds)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kGetById)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kListen)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kPut)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kRefresh)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kExpired)) == DhtMessageKind::Request);
  CHECK(check_dht_message(bytes_of(kFieldTable)) == DhtMessageKind::Reply);
  CHECK(check_dht_message(bytes_of(kFirstPart)) == DhtMessageKind::ValuePart);
}

TEST_CASE("check_dht_message: the datagram that kills OpenDHT 2.4.12 is refused") {
  CHECK_FALSE(check_dht_message(bytes_of("83a16590a179a165a174ce00000005")));
}

TEST_CASE("check_dht_message: every shorter prefix and every longer message is refused") {
  for (const std::string_view hex : {kPong, kFind, kGetById, kListen, kPut, kFieldTable, kFirstPart}) {
    Bytes message = bytes_of(hex);
    for (std::size_t size = 0; size < message.size(); ++size) {
      CHECK_FALSE(check_dht_message(BytesView{message}.first(size)));
    }
    message.push_back(0);
    CHECK_FALSE(check_dht_message(message));
  }
}

TEST_CASE("check_dht_message: only values of our own kind pass") {
  REQUIRE(check_dht_message(bytes_of(kPut)));

  SUBCASE("another type") {
    CHECK_FALSE(check_dht_message(replaced(kPut, "cd726f", "cd7270")));
  }
  SUBCASE("id 0") {
    CHECK_FALSE(check_dht_message(replaced(kPut, "cf0000011f71fb04cb", "cf0000000000000000")));
  }
  SUBCASE("an owner") {
    CHECK_FALSE(check_dht_message(replaced(kPut, "82a474797065cd726f", "83a56f776e6572c40100a474797065cd726f")));
  }
  SUBCASE("a user type") {
    CHECK_FALSE(check_dht_message(replaced(kPut, "82a474797065cd726f", "83a57574797065a0a474797065cd726f")));
  }
  SUBCASE("a signature") {
    CHECK_FALSE(check_dht_message(replaced(kPut, "81a4626f6479", "82a3736967c40100a4626f6479")));
  }
  SUBCASE("encrypted") {
    CHECK_FALSE(check_dht_message(replaced(kPut, "81a4626f647982a474797065cd726fa464617461", "")));
  }
  SUBCASE("of another type, in parts") {
    CHECK_FALSE(check_dht_message(replaced(kFirstPart, "cd726f", "cd7270")));
  }
  SUBCASE("a part that begins before its layout is known") {
    CHECK_FALSE(check_dht_message(bytes_of("84a16e4da179a170a174ceb2a91388a170810082a16f00a164c40282a2")));
    CHECK_FALSE(check_dht_message(bytes_of("84a16e4da179a170a174ceb2a91388a170810082a16f00a164c400")));
  }
  SUBCASE("a later part may hold anything") {
    CHECK(check_dht_message(bytes_of("84a16e4da179a170a174ceb2a91388a170810082a16f10a164c4020808")));
  }
}

TEST_CASE("check_dht_message: shapes that OpenDHT stumbles over are refused") {
  SUBCASE("an empty list of fields: a division by zero") {
    CHECK_FALSE(check_dht_message(replaced(kFieldTable, "a166920104", "a16690")));
  }
  SUBCASE("a table that is not full") {
    CHECK_FALSE(check_dht_message(replaced(kFieldTable, "a17692", "a17691")));
  }
  SUBCASE("a field twice") {
    CHECK_FALSE(check_dht_message(replaced(kSelectIds, "a173920104", "a173920101")));
  }
  SUBCASE("an unknown field") {
    CHECK_FALSE(check_dht_message(replaced(kSelectIds, "a173920104", "a173920106")));
  }
  SUBCASE("a condition on the sequence number, which it cannot pack") {
    CHECK_FALSE(check_dht_message(replaced(kGetById, "a16601a176", "a16604a176")));
  }
  SUBCASE("an id of another length") {
    CHECK_FALSE(check_dht_message(
        replaced(kPong, "c414500d81aafe637717a52f8650e54206e64da33d27", "c413500d81aafe637717a52f8650e54206e64da33d")));
  }
  SUBCASE("no id") {
    CHECK_FALSE(check_dht_message(replaced(kPong, "a26964c414", "a26965c414")));
  }
  SUBCASE("a key twice") {
    CHECK_FALSE(check_dht_message(replaced(kPong, "a27361c404", "a26964c404")));
  }
  SUBCASE("an unknown request") {
    CHECK_FALSE(check_dht_message(replaced(kFind, "a466696e64", "a466696e65")));
  }
  SUBCASE("a request that is also a reply") {
    CHECK_FALSE(check_dht_message(replaced(kFind, "86a161", "87a17280a161")));
  }
  SUBCASE("an array that claims to be longer than the message can be") {
    CHECK_FALSE(check_dht_message(replaced(kGetById, "a1779182", "a177ddffffffff82")));
  }
}

TEST_CASE("check_dht_message: random octets are refused") {
  SeededRandom random{3};
  for (int i = 0; i < 20'000; ++i) {
    Bytes message(random.below(200));
    random.fill(message);
    CHECK_FALSE(check_dht_message(message));
  }
}

TEST_CASE("check_dht_message: nothing that passes can harm OpenDHT, and nothing that OpenDHT sends is refused") {
  // Real traffic of a busy network is recorded, mutated and given to one of its nodes.
  constexpr std::size_t kRecordedMax = 3000;
  constexpr int kMutations = 20'000;
  DhtNetwork network;
  std::vector<Bytes> recorded;
  std::size_t refused = 0;
  network.set_tap([&](std::size_t, const Endpoint&, BytesView message) {
    if (!check_dht_message(message)) ++refused;
    if (recorded.size() < kRecordedMax) recorded.emplace_back(message.begin(), message.end());
  });
  network.grow(6);
  const auto publish = [&](std::size_t node, const IpAddress& ip, std::uint64_t sequence) {
    const SignedClaim claim = network.identities().claim(network.identity(node), mac_of("02:00:5e:10:00:01"), {ip},
                                                         sequence, ClaimState::Live, kTestNow + std::chrono::hours{9});
    network.engine(node).publish(network.keys().of(ip), 1, {RecordKind::Claim, claim.encoded});
    // A certificate is the one record that comes in parts.
    network.engine(node).publish(network.keys().of_certificate(network.identity(node).id()), 1,
                                 {RecordKind::Certificate, network.identity(node).certificate.der()});
    network.wake(node);
  };
  const IpAddress ip = ip_of("10.77.0.5");
  for (std::size_t node = 0; node < 6; ++node) {
    network.engine(node).watch(network.keys().of(ip));
    publish(node, ip, node);
    (void)network.engine(node).lookup(network.keys().of_certificate(network.identity(0).id()), true);
    network.run_for(seconds{1});
  }
  network.run_for(minutes{11});
  REQUIRE(recorded.size() > 1000);
  CHECK(refused == 0);

  SeededRandom random{5};
  network.set_tap({});
  int passed = 0;
  for (int i = 0; i < kMutations; ++i) {
    Bytes message = recorded[random.below(recorded.size())];
    for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
      const std::size_t at = random.below(message.size());
      switch (random.below(4)) {
        case 0: message[at] = static_cast<std::uint8_t>(random.u32()); break;
        case 1: message[at] ^= static_cast<std::uint8_t>(1u << random.below(8)); break;
        case 2: message.erase(message.begin() + static_cast<std::ptrdiff_t>(at)); break;
        default: message.insert(message.begin() + static_cast<std::ptrdiff_t>(at), message[at]); break;
      }
      if (message.empty()) message.push_back(0);
    }
    if (check_dht_message(message)) ++passed;
    network.inject(network.endpoint(random.below(6)), random.below(6), std::move(message));
    if (i % 16 == 0) network.run_for(std::chrono::milliseconds{20});
  }
  network.run_for(minutes{1});
  CHECK(passed > kMutations / 100);  // or nothing was tried

  // And they still work.
  const IpAddress other = ip_of("10.77.0.6");
  publish(2, other, 99);
  network.run_for(seconds{20});
  while (network.poll_event(4)) {
  }
  const LookupId id = network.engine(4).lookup(network.keys().of(other), true);
  network.wake(4);
  network.run_for(seconds{4});
  bool found = false;
  while (auto event = network.poll_event(4)) {
    if (const auto* record = std::get_if<RecordFound>(&*event)) found = found || record->lookup == id;
  }
  CHECK(found);
}

}  // namespace rove
