#include "core/location/claim_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/location/sequence_clock.h"
#include "tests/support/test_network.h"

using namespace rove;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

namespace {

constexpr std::uint16_t kTag = 0x1234;

constexpr Now kNow{TimePoint{hours{1}}, kTestNow};

const MacAddress kMac = mac_of("02:00:5e:10:00:01");
const MacAddress kOtherMac = mac_of("02:00:5e:10:00:02");
const IpAddress kIp = ip_of("10.77.0.5");
const IpAddress kOtherIp = ip_of("10.77.0.6");
const IpAddress kForeignIp = ip_of("10.77.128.5");

// Three hosts of one site, and two whose VMs have addresses of their own.
struct Fixture {
  TestNetwork network{1};
  const TestNode& a = network.add_node("a");
  const TestNode& b = network.add_node("b");
  const TestNode& c = network.add_node("c");
  const TestNode& lower = network.add_node("lower", {prefix_of("10.77.0.0/17")});
  const TestNode& upper = network.add_node("upper", {prefix_of("10.77.128.0/17")});
  ClaimTable table;

  SignedClaim live(const TestNode& node, std::uint64_t sequence, std::vector<IpAddress> ips = {kIp},
                   const MacAddress& mac = kMac) const {
    return network.claim(node, mac, std::move(ips), sequence);
  }
  SignedClaim gone(const TestNode& node, std::uint64_t sequence, std::vector<IpAddress> ips = {kIp},
                   const MacAddress& mac = kMac) const {
    return network.claim(node, mac, std::move(ips), sequence, ClaimState::Gone);
  }
  ClaimVerdict offer(const SignedClaim& claim, Now now = kNow) { return offer_to(table, claim, now); }
  ClaimVerdict offer_to(ClaimTable& to, const SignedClaim& claim, Now now = kNow) const {
    const auto owner = std::find_if(network.nodes().begin(), network.nodes().end(),
                                    [&claim](const TestNode& node) { return node.key() == claim.claim.owner; });
    REQUIRE(owner != network.nodes().end());
    return to.offer(now, claim, owner->certificate);
  }
  // Whether this claim, and no other, is where find() says the address is.
  bool wins(const SignedClaim& claim, const VmAddress& address) const {
    const SignedClaim* found = table.find(address);
    return found != nullptr && found->id == claim.id;
  }
};

Now after(Duration time) {
  return {kNow.steady + time, kNow.wall + std::chrono::duration_cast<milliseconds>(time)};
}

// All that a table answers about these addresses, in a form that can be compared and printed.
std::string answers(const ClaimTable& table, const std::vector<VmAddress>& addresses) {
  std::string text;
  for (const VmAddress& address : addresses) {
    const SignedClaim* live = table.find(address);
    const SignedClaim* any = table.find_any(address);
    text += to_string(address) + " " + (live == nullptr ? "-" : to_string(live->id)) + " " +
            (any == nullptr ? "-" : to_string(any->id)) + "\n";
  }
  return text;
}

template <typename T>
void shuffle(std::vector<T>& values, Random& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

}  // namespace

TEST_CASE("ClaimTable: knows nothing at first") {
  const ClaimTable table;

  CHECK(table.find(kMac) == nullptr);
  CHECK(table.find_any(kIp) == nullptr);
  CHECK(table.confirmed_at(kMac) == std::nullopt);
  CHECK(table.highest_sequence(kMac, {kIp}) == 0);
  CHECK(table.size() == 0);
}

TEST_CASE("ClaimTable: a first claim wins for its MAC and its addresses, and is known from then on") {
  Fixture f;
  const SignedClaim claim = f.live(f.a, 10, {kIp, kOtherIp});

  CHECK(f.offer(claim) == ClaimVerdict::Accepted);

  CHECK(f.wins(claim, kMac));
  CHECK(f.wins(claim, kIp));
  CHECK(f.wins(claim, kOtherIp));
  CHECK(f.offer(claim) == ClaimVerdict::Known);
  CHECK(f.table.size() == 1);
  CHECK(f.table.addresses() == 3);
}

TEST_CASE("ClaimTable: a VM moves with the higher sequence, whatever the ids of its hosts") {
  for (const bool forth : {true, false}) {
    Fixture f;
    const TestNode& from = forth ? f.a : f.b;
    const TestNode& to = forth ? f.b : f.a;
    const SignedClaim before = f.live(from, 10);
    const SignedClaim moved = f.live(to, 11);

    CHECK(f.offer(before) == ClaimVerdict::Accepted);
    CHECK(f.offer(moved) == ClaimVerdict::Accepted);
    CHECK(f.wins(moved, kMac));
    CHECK(f.wins(moved, kIp));

    CHECK(f.offer(before) == ClaimVerdict::Older);
    CHECK(f.wins(moved, kMac));
  }
}

TEST_CASE("ClaimTable: at one sequence the higher node key wins, everywhere") {
  Fixture f;
  const TestNode& high = f.a.key() > f.b.key() ? f.a : f.b;
  const TestNode& low = f.a.key() > f.b.key() ? f.b : f.a;

  CHECK(f.offer(f.live(high, 10)) == ClaimVerdict::Accepted);
  CHECK(f.offer(f.live(low, 10)) == ClaimVerdict::Older);

  ClaimTable other;
  CHECK(f.offer_to(other, f.live(low, 10)) == ClaimVerdict::Accepted);
  CHECK(f.offer_to(other, f.live(high, 10)) == ClaimVerdict::Accepted);
  CHECK(other.find(kMac)->claim.owner == high.key());
}

TEST_CASE("ClaimTable: a refresh extends a claim and is no new evidence") {
  Fixture f;
  const SignedClaim claim = f.live(f.a, 10);
  const SignedClaim refreshed = f.network.claim(f.a, kMac, {kIp}, 10, ClaimState::Live, kTestNow + minutes{40});
  f.offer(claim);

  CHECK(f.offer(refreshed) == ClaimVerdict::Refreshed);
  CHECK(f.wins(refreshed, kIp));
  CHECK(f.offer(claim) == ClaimVerdict::Older);
  CHECK(f.table.highest_sequence(kMac, {}) == 10);
}

TEST_CASE("ClaimTable: an old host's refresh never steals a VM back") {
  Fixture f;
  const SignedClaim moved = f.live(f.b, 11);
  f.offer(f.live(f.a, 10));
  f.offer(moved);

  const SignedClaim refresh = f.network.claim(f.a, kMac, {kIp}, 10, ClaimState::Live, kTestNow + hours{20});

  CHECK(f.offer(refresh) == ClaimVerdict::Older);
  CHECK(f.wins(moved, kMac));
  CHECK(f.wins(moved, kIp));
}

TEST_CASE("ClaimTable: gone means nobody, until a newer claim") {
  Fixture f;
  const SignedClaim gone = f.gone(f.a, 11);
  const SignedClaim again = f.live(f.b, 12);
  f.offer(f.live(f.a, 10));

  CHECK(f.offer(gone) == ClaimVerdict::Accepted);
  CHECK(f.table.find(kMac) == nullptr);
  CHECK(f.table.find(kIp) == nullptr);
  REQUIRE(f.table.find_any(kIp) != nullptr);
  CHECK(f.table.find_any(kIp)->id == gone.id);
  CHECK(f.offer(f.live(f.b, 9)) == ClaimVerdict::Older);

  CHECK(f.offer(again) == ClaimVerdict::Accepted);
  CHECK(f.wins(again, kIp));
}

TEST_CASE("ClaimTable: a farewell of the old host does not end what the new host claimed") {
  Fixture f;
  const SignedClaim moved = f.live(f.b, 12);
  f.offer(f.live(f.a, 10));
  f.offer(moved);

  CHECK(f.offer(f.gone(f.a, 11)) == ClaimVerdict::Older);
  CHECK(f.wins(moved, kIp));
}

// ---- per address -------------------------------------------------------------------------------

TEST_CASE("ClaimTable: an address that the newest claim of a MAC no longer names belongs to nobody") {
  Fixture f;
  const SignedClaim fewer = f.live(f.b, 11, {kIp});
  f.offer(f.live(f.a, 10, {kIp, kOtherIp}));

  CHECK(f.offer(fewer) == ClaimVerdict::Accepted);

  CHECK(f.wins(fewer, kMac));
  CHECK(f.wins(fewer, kIp));
  CHECK(f.table.find_any(kOtherIp) == nullptr);
}

TEST_CASE("ClaimTable: an address that two VMs name belongs to the newer claim, and falls back when that goes") {
  Fixture f;
  const SignedClaim first = f.live(f.a, 10, {kIp, kOtherIp});
  const SignedClaim second = f.live(f.b, 20, {kIp}, kOtherMac);
  f.offer(first);
  f.offer(second);

  CHECK(f.wins(first, kMac));
  CHECK(f.wins(first, kOtherIp));
  CHECK(f.wins(second, kIp));

  SUBCASE("the other VM goes") {
    CHECK(f.offer(f.gone(f.b, 21, {kIp}, kOtherMac)) == ClaimVerdict::Accepted);
  }
  SUBCASE("the other VM gives it up") {
    CHECK(f.offer(f.live(f.b, 21, {}, kOtherMac)) == ClaimVerdict::Accepted);
  }
  SUBCASE("the other VM's host is forgotten") {
    f.table.forget(f.b.key());
  }
  CHECK(f.wins(first, kIp));
}

TEST_CASE("ClaimTable: a claim that lost its MAC has none of its addresses either") {
  Fixture f;
  const SignedClaim moved = f.live(f.b, 11, {});
  f.offer(f.live(f.a, 10, {kIp}));

  CHECK(f.offer(moved) == ClaimVerdict::Accepted);

  CHECK(f.wins(moved, kMac));
  CHECK(f.table.find(kIp) == nullptr);
}

// ---- who may (FIELD V1) ------------------------------------------------------------------------

TEST_CASE("ClaimTable: V1: a claim for an address outside of its certificate never wins") {
  Fixture f;

  CHECK(f.offer(f.live(f.lower, 10, {kForeignIp})) == ClaimVerdict::NotAllowed);
  CHECK(f.offer(f.live(f.lower, 10, {kIp, kForeignIp})) == ClaimVerdict::NotAllowed);

  CHECK(f.table.find_any(kMac) == nullptr);
  CHECK(f.table.find_any(kIp) == nullptr);
  CHECK(f.table.highest_sequence(kMac, {kIp, kForeignIp}) == 0);
}

TEST_CASE("ClaimTable: V1: a MAC is taken over only by who may claim all addresses of the VM that has it") {
  Fixture f;
  const SignedClaim victim = f.live(f.lower, 10, {kIp});
  f.offer(victim);

  CHECK(f.offer(f.live(f.upper, 20, {kForeignIp})) == ClaimVerdict::NotAllowed);
  CHECK(f.offer(f.live(f.upper, 21, {})) == ClaimVerdict::NotAllowed);
  CHECK(f.offer(f.gone(f.upper, 22, {})) == ClaimVerdict::NotAllowed);
  CHECK(f.wins(victim, kMac));
  CHECK(f.wins(victim, kIp));
  CHECK(f.table.find(kForeignIp) == nullptr);

  CHECK(f.offer(f.live(f.a, 30, {kIp})) == ClaimVerdict::Accepted);
}

TEST_CASE("ClaimTable: V1: a claim for an earlier time does not take a MAC from who is known to have it") {
  Fixture f;
  const SignedClaim victim = f.live(f.lower, 10, {kIp});
  f.offer(victim);

  CHECK(f.offer(f.live(f.upper, 1, {kForeignIp})) == ClaimVerdict::Older);
  CHECK(f.wins(victim, kMac));
  CHECK(f.wins(victim, kIp));
}

TEST_CASE("ClaimTable: V1: a contested MAC stays with its holder through moves and expiry") {
  Fixture f;
  f.offer(f.live(f.lower, 10, {kIp}));
  f.offer(f.live(f.upper, 20, {kForeignIp}));  // refused, and now older than what follows
  const TestNode& next = f.network.add_node("next", {prefix_of("10.77.0.0/17")});
  const SignedClaim moved = f.network.claim(next, kMac, {kIp}, 40, ClaimState::Live, kTestNow + hours{10});
  const SignedClaim stolen = f.network.claim(f.upper, kMac, {kForeignIp}, 20, ClaimState::Live, kTestNow + hours{10});

  CHECK(f.offer(moved) == ClaimVerdict::Accepted);
  f.offer(stolen);
  f.table.expire(kTestNow + hours{2});  // the claim of `lower` is over

  CHECK(f.wins(moved, kMac));
  CHECK(f.wins(moved, kIp));
}

TEST_CASE("ClaimTable: V1: where one of two hosts may have all addresses, order does not matter") {
  for (const bool narrow_first : {true, false}) {
    Fixture f;
    const SignedClaim wide = f.live(f.a, 10, {kForeignIp});
    const SignedClaim narrow = f.live(f.lower, 20, {kIp});

    f.offer(narrow_first ? narrow : wide);
    f.offer(narrow_first ? wide : narrow);

    CHECK(f.wins(wide, kMac));
    CHECK(f.table.find(kIp) == nullptr);
  }
}

TEST_CASE("ClaimTable: a MAC that its host released is free for any host") {
  Fixture f;
  const SignedClaim reused = f.live(f.upper, 12, {kForeignIp});
  f.offer(f.live(f.lower, 10, {kIp}));
  f.offer(f.gone(f.lower, 11, {kIp}));

  CHECK(f.offer(reused) == ClaimVerdict::Accepted);
  CHECK(f.wins(reused, kMac));
}

// ---- time, replay and lost state (FIELD V2) ----------------------------------------------------

TEST_CASE("ClaimTable: V2: no record of a VM's past wins when it is replayed") {
  Fixture f;
  const std::vector<const TestNode*> hosts{&f.a, &f.b, &f.c};
  std::vector<SignedClaim> past;
  for (std::uint64_t move = 0; move < 30; ++move) {
    const TestNode& host = *hosts[move % 3];
    past.push_back(f.live(host, 10 + move * 3, move % 2 == 0 ? std::vector{kIp} : std::vector{kIp, kOtherIp}));
    if (move % 5 == 0) past.push_back(f.gone(host, 11 + move * 3));
  }
  const SignedClaim present = f.live(f.b, 1000);
  for (const SignedClaim& claim : past) f.offer(claim);
  f.offer(present);

  for (const SignedClaim& claim : past) {
    CHECK(f.offer(claim) == ClaimVerdict::Older);
    CHECK(f.wins(present, kMac));
    CHECK(f.wins(present, kIp));
    CHECK(f.table.find(kOtherIp) == nullptr);
  }
}

TEST_CASE("ClaimTable: V2: a replayed claim stays without effect after its superseder was released") {
  Fixture f;
  const SignedClaim old = f.live(f.a, 10);
  f.offer(old);
  f.offer(f.live(f.b, 11));
  f.offer(f.gone(f.b, 12));

  CHECK(f.offer(old) == ClaimVerdict::Older);
  CHECK(f.table.find(kIp) == nullptr);
}

TEST_CASE("ClaimTable: V2: a host that lost its state, or whose clock is an hour off, gets its VM by what it hears") {
  for (const auto skew : {-hours{1}, hours{0}, hours{1}}) {
    Fixture f;
    const WallTime their_time = kTestNow + skew;
    const SignedClaim theirs = f.network.claim(f.a, kMac, {kIp}, next_sequence(0, their_time, kTag), ClaimState::Live,
                                               their_time + minutes{30});
    CHECK(f.offer(theirs) == ClaimVerdict::Accepted);

    // The new host starts with nothing but the clock, reads before it writes, and claims.
    const std::uint64_t sequence = next_sequence(f.table.highest_sequence(kMac, {kIp}), kTestNow, kTag);
    const SignedClaim ours = f.live(f.b, sequence);

    CHECK(f.offer(ours) == ClaimVerdict::Accepted);
    CHECK(f.wins(ours, kIp));
    // And back, by the host with the other clock.
    const std::uint64_t back = next_sequence(f.table.highest_sequence(kMac, {kIp}), their_time, kTag);
    CHECK(f.offer(f.live(f.a, back)) == ClaimVerdict::Accepted);
  }
}

TEST_CASE("ClaimTable: V2: claims that lost still raise the sequence that a new claim gets") {
  Fixture f;
  f.offer(f.live(f.lower, 10, {kIp}));
  f.offer(f.live(f.upper, 50, {kForeignIp}));

  CHECK(f.table.highest_sequence(kMac, {}) == 50);
  CHECK(f.table.highest_sequence(kOtherMac, {kIp}) == 50);
  CHECK(f.table.highest_sequence(kOtherMac, {kOtherIp}) == 0);
}

TEST_CASE("ClaimTable: V2: a claim from the future is refused and enters nobody's clock") {
  Fixture f;
  const std::uint64_t in_a_day = next_sequence(0, kTestNow + hours{24}, kTag);
  const std::uint64_t later = next_sequence(0, kTestNow + hours{24} + milliseconds{1}, kTag);

  CHECK(f.offer(f.live(f.a, later)) == ClaimVerdict::FromTheFuture);
  CHECK(f.offer(f.live(f.a, ~std::uint64_t{0})) == ClaimVerdict::FromTheFuture);
  CHECK(f.table.highest_sequence(kMac, {kIp}) == 0);

  CHECK(f.offer(f.live(f.a, in_a_day)) == ClaimVerdict::Accepted);
}

TEST_CASE("ClaimTable: V2: a claim that says it holds for more than a day is refused") {
  Fixture f;
  const auto until = [&f](Duration time) {
    return f.network.claim(f.a, kMac, {kIp}, 10, ClaimState::Live, after(time).wall);
  };

  CHECK(f.offer(until(hours{24} + milliseconds{1})) == ClaimVerdict::FromTheFuture);
  CHECK(f.offer(until(hours{24})) == ClaimVerdict::Accepted);
}

TEST_CASE("ClaimTable: a claim counts until an hour after its not_after") {
  Fixture f;
  const SignedClaim claim = f.live(f.a, 10);  // until 30 minutes from now
  f.offer(claim);

  CHECK_FALSE(f.table.expire(after(minutes{90}).wall));
  CHECK(f.wins(claim, kIp));
  CHECK(f.table.expire(after(minutes{90} + milliseconds{1}).wall));
  CHECK(f.table.find_any(kIp) == nullptr);
  CHECK(f.table.find_any(kMac) == nullptr);
  CHECK(f.table.addresses() == 0);

  CHECK(f.offer(claim, after(minutes{90})) == ClaimVerdict::Accepted);
  CHECK(f.offer(f.live(f.a, 9), after(minutes{90} + milliseconds{1})) == ClaimVerdict::Expired);
}

TEST_CASE("ClaimTable: a claim that is over does not stand in the way, even before expire()") {
  Fixture f;
  f.offer(f.live(f.lower, 50, {kIp}));
  const Now later = after(hours{2});
  const SignedClaim next = f.network.claim(f.upper, kMac, {}, 40, ClaimState::Live, later.wall + minutes{30});

  CHECK(f.offer(next, later) == ClaimVerdict::Accepted);
  CHECK(f.wins(next, kMac));
  CHECK(f.table.find(kIp) == nullptr);
}

TEST_CASE("ClaimTable: when the winner is over an older claim that still counts wins again") {
  Fixture f;
  const SignedClaim older = f.network.claim(f.a, kMac, {kIp}, 10, ClaimState::Live, kTestNow + hours{10});
  f.offer(older);
  f.offer(f.live(f.b, 11));

  CHECK(f.table.expire(after(hours{2}).wall));

  CHECK(f.wins(older, kMac));
  CHECK(f.wins(older, kIp));
}

TEST_CASE("ClaimTable: when the clock goes back, claims that are from the future now are dropped") {
  Fixture f;
  const Now ahead = after(hours{24 * 30});
  const SignedClaim claim =
      f.network.claim(f.a, kMac, {kIp}, next_sequence(0, ahead.wall, kTag), ClaimState::Live, ahead.wall + minutes{30});
  CHECK(f.offer(claim, ahead) == ClaimVerdict::Accepted);
  CHECK_FALSE(f.table.expire(ahead.wall));

  CHECK(f.table.expire(kNow.wall));

  CHECK(f.table.highest_sequence(kMac, {kIp}) == 0);
  CHECK(f.offer(f.live(f.b, next_sequence(0, kTestNow, kTag))) == ClaimVerdict::Accepted);
}

// ---- freshness, limits, forgetting -------------------------------------------------------------

TEST_CASE("ClaimTable: tells when a claim was last confirmed") {
  Fixture f;
  f.offer(f.live(f.a, 10));
  CHECK(f.table.confirmed_at(kIp) == kNow.steady);

  f.offer(f.live(f.a, 10), after(minutes{1}));
  CHECK(f.table.confirmed_at(kIp) == kNow.steady);

  f.table.confirmed(after(minutes{2}), kIp);
  CHECK(f.table.confirmed_at(kMac) == after(minutes{2}).steady);

  f.offer(f.live(f.b, 11), after(minutes{3}));
  CHECK(f.table.confirmed_at(kIp) == after(minutes{3}).steady);

  f.offer(f.live(f.a, 10), after(minutes{4}));
  CHECK(f.table.confirmed_at(kIp) == after(minutes{3}).steady);
  f.table.confirmed(kNow, kOtherIp);
  CHECK(f.table.confirmed_at(kOtherIp) == std::nullopt);
}

TEST_CASE("ClaimTable: version() rises when an answer changes, and only then") {
  Fixture f;
  const auto changes = [&f](const SignedClaim& claim) {
    const std::uint64_t before = f.table.version();
    f.offer(claim);
    return f.table.version() != before;
  };

  CHECK(changes(f.live(f.a, 10)));
  CHECK_FALSE(changes(f.live(f.a, 10)));
  CHECK(changes(f.live(f.b, 11)));
  CHECK_FALSE(changes(f.live(f.a, 9)));
  CHECK_FALSE(changes(f.live(f.c, 8)));
  CHECK(changes(f.gone(f.b, 12)));
}

TEST_CASE("ClaimTable: above its limit the least recently used VM goes") {
  Fixture f;
  f.table = ClaimTable{6};
  const std::vector<MacAddress> macs{mac_of("02:00:00:00:00:01"), mac_of("02:00:00:00:00:02"),
                                     mac_of("02:00:00:00:00:03"), mac_of("02:00:00:00:00:04")};
  for (std::size_t i = 0; i < 3; ++i) f.offer(f.live(f.a, 10, {ip_of("10.77.0." + std::to_string(i + 1))}, macs[i]));
  CHECK(f.table.addresses() == 6);

  f.table.touch(macs[0]);
  f.offer(f.live(f.a, 10, {}, macs[3]));

  CHECK(f.table.addresses() == 5);
  CHECK(f.table.evicted() == 1);
  CHECK(f.table.find(macs[0]) != nullptr);
  CHECK(f.table.find(macs[1]) == nullptr);
  CHECK(f.table.find(ip_of("10.77.0.2")) == nullptr);
  CHECK(f.table.find(macs[2]) != nullptr);
  CHECK(f.table.find(macs[3]) != nullptr);
}

TEST_CASE("ClaimTable: one publisher cannot fill it") {
  Fixture f;
  const SignedClaim bystander = f.live(f.b, 10);
  f.offer(bystander);
  SignedClaim claim = f.live(f.a, 10, {});  // a flood of MACs; the table does not look at signatures
  std::size_t accepted = 0;
  ClaimVerdict last = ClaimVerdict::Accepted;
  for (std::uint32_t i = 0; i < kClaimTableMax + 10; ++i) {
    store_be(claim.claim.mac.octets.data() + 2, i + 0x10000000);
    store_be(claim.id.octets.data(), i + 1);
    last = f.offer(claim);
    if (last == ClaimVerdict::Accepted) ++accepted;
  }

  CHECK(last == ClaimVerdict::Full);
  CHECK(accepted == kClaimAddressesPerOwnerMax);
  CHECK(f.table.addresses() == kClaimAddressesPerOwnerMax + 2);
  CHECK(f.table.evicted() == 0);
  CHECK(f.wins(bystander, kIp));

  f.table.forget(f.a.key());
  CHECK(f.table.addresses() == 2);
}

TEST_CASE("ClaimTable: of one MAC it keeps a bounded number of claims, the winner among them") {
  Fixture f;
  std::vector<const TestNode*> hosts;
  for (int i = 0; i < 20; ++i) hosts.push_back(&f.network.add_node("host-" + std::to_string(i)));
  for (std::size_t i = 0; i < hosts.size(); ++i) f.offer(f.live(*hosts[i], 100 - i));

  CHECK(f.table.addresses() == 2 * kPublishersPerMacMax);
  CHECK(f.table.find(kMac)->claim.owner == hosts[0]->key());
  CHECK(f.offer(f.live(*hosts[10], 200)) == ClaimVerdict::Accepted);
  CHECK(f.table.addresses() == 2 * kPublishersPerMacMax);
}

TEST_CASE("ClaimTable: a forgotten publisher holds nothing") {
  Fixture f;
  const SignedClaim of_b = f.live(f.b, 9);
  f.offer(of_b);
  f.offer(f.live(f.a, 10));
  f.offer(f.live(f.a, 10, {kOtherIp}, kOtherMac));

  f.table.forget(f.a.key());

  CHECK(f.wins(of_b, kMac));
  CHECK(f.wins(of_b, kIp));
  CHECK(f.table.find_any(kOtherMac) == nullptr);
  CHECK(f.table.find_any(kOtherIp) == nullptr);
  CHECK(f.table.addresses() == 2);
}

TEST_CASE("ClaimTable: for_each_live visits every live holder by ascending MAC") {
  Fixture f;
  f.offer(f.live(f.a, 10, {kOtherIp}, kOtherMac));
  f.offer(f.live(f.a, 10));
  f.offer(f.live(f.b, 11));
  f.offer(f.gone(f.a, 10, {}, mac_of("02:00:00:00:00:09")));

  std::vector<MacAddress> visited;
  f.table.for_each_live([&visited](const SignedClaim& claim) { visited.push_back(claim.claim.mac); });

  CHECK(visited == std::vector{kMac, kOtherMac});
}

TEST_CASE("ClaimTable: for_each_of visits what a publisher claims and no other has, also behind another's `gone`") {
  Fixture f;
  const MacAddress withdrawn = mac_of("02:00:00:00:00:09");
  const MacAddress moved = mac_of("02:00:00:00:00:0a");
  const SignedClaim held = f.live(f.a, 10);
  const SignedClaim behind = f.live(f.a, 10, {}, kOtherMac);
  f.offer(held);
  f.offer(behind);
  f.offer(f.gone(f.b, 11, {}, kOtherMac));
  f.offer(f.gone(f.a, 10, {}, withdrawn));
  f.offer(f.live(f.a, 10, {}, moved));
  f.offer(f.live(f.b, 11, {}, moved));

  std::vector<RecordId> visited;
  f.table.for_each_of(f.a.key(), [&visited](const SignedClaim& claim) { visited.push_back(claim.id); });

  CHECK(visited == std::vector{held.id, behind.id});
}

// ---- the answers are a function of the set -----------------------------------------------------

TEST_CASE("ClaimTable: answers do not depend on the order, nor on repetitions, of what was offered") {
  Fixture f;
  const std::vector<MacAddress> macs{kMac, kOtherMac, mac_of("02:00:5e:10:00:03")};
  const std::vector<IpAddress> ips{kIp, kOtherIp, ip_of("fd77::5")};
  std::vector<VmAddress> addresses{macs.begin(), macs.end()};
  addresses.insert(addresses.end(), ips.begin(), ips.end());
  // The last has room for the addresses of all others, the others for their own half: so for any two publishers
  // at least one may displace the other.
  const std::vector<const TestNode*> uniform{&f.a, &f.b, &f.c};
  const std::vector<const TestNode*> nested{&f.a, &f.b, &f.lower};

  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    SeededRandom random{seed};
    const bool is_uniform = seed % 2 == 0;
    const auto& hosts = is_uniform ? uniform : nested;
    std::vector<SignedClaim> claims;
    for (std::size_t i = 0, count = 1 + random.below(12); i < count; ++i) {
      const TestNode& host = *hosts[random.below(hosts.size())];
      std::vector<IpAddress> chosen;
      for (const IpAddress& ip : ips) {
        if (random.below(2) == 0 && host.certificate.allows(ip)) chosen.push_back(ip);
      }
      // Few sequences and few times, so that ties, refreshes and contradictions of one publisher are common.
      claims.push_back(f.network.claim(host, macs[random.below(macs.size())], std::move(chosen), 10 + random.below(5),
                                       random.below(4) == 0 ? ClaimState::Gone : ClaimState::Live,
                                       kTestNow + minutes{30 + 10 * static_cast<int>(random.below(3))}));
    }

    std::optional<std::string> expected;
    std::optional<std::uint64_t> highest;
    for (int permutation = 0; permutation < 12; ++permutation) {
      std::vector<SignedClaim> order = claims;
      for (const SignedClaim& claim : claims) {
        if (random.below(3) == 0) order.push_back(claim);
      }
      shuffle(order, random);
      ClaimTable table;
      for (const SignedClaim& claim : order) f.offer_to(table, claim);

      const std::string answer = answers(table, addresses);
      if (!expected) expected = answer;
      REQUIRE(answer == *expected);
      const std::uint64_t sequence = table.highest_sequence(macs[0], {});
      if (!highest) highest = sequence;
      REQUIRE(sequence == *highest);
      // Offering everything again changes nothing.
      const std::uint64_t version = table.version();
      for (const SignedClaim& claim : order) f.offer_to(table, claim);
      REQUIRE(table.version() == version);
    }
  }
}

TEST_CASE("ClaimTable: where all publishers may have all addresses, the answers are those of the plain rule") {
  Fixture f;
  const std::vector<const TestNode*> hosts{&f.a, &f.b, &f.c};
  const std::vector<MacAddress> macs{kMac, kOtherMac};
  const std::vector<IpAddress> ips{kIp, kOtherIp};

  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    SeededRandom random{seed};
    std::vector<SignedClaim> claims;
    for (std::size_t i = 0, count = 1 + random.below(10); i < count; ++i) {
      std::vector<IpAddress> chosen;
      for (const IpAddress& ip : ips) {
        if (random.below(2) == 0) chosen.push_back(ip);
      }
      claims.push_back(f.live(*hosts[random.below(3)], 10 + i, std::move(chosen), macs[random.below(2)]));
    }
    shuffle(claims, random);
    ClaimTable table;
    for (const SignedClaim& claim : claims) f.offer_to(table, claim);

    std::map<MacAddress, Claim> holders;
    for (const SignedClaim& claim : claims) {
      const auto [it, is_first] = holders.try_emplace(claim.claim.mac, claim.claim);
      if (!is_first && supersedes(claim.claim, it->second)) it->second = claim.claim;
    }
    for (const auto& [mac, holder] : holders) CHECK(table.find(mac)->claim == holder);
    for (const IpAddress& ip : ips) {
      std::optional<Claim> winner;
      for (const auto& [mac, holder] : holders) {
        if (std::find(holder.ips.begin(), holder.ips.end(), ip) == holder.ips.end()) continue;
        if (!winner || supersedes(holder, *winner)) winner = holder;
      }
      const SignedClaim* found = table.find(ip);
      REQUIRE((found != nullptr) == winner.has_value());
      if (winner) CHECK(found->claim == *winner);
    }
  }
}
