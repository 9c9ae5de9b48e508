#include "tap/rtnetlink.h"

#include <doctest/doctest.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "tests/support/private_network.h"

namespace rove {
namespace {

// A row of attributes as the kernel would send it.
Bytes attributes_of(NetlinkRequest& request) {
  const BytesView bytes = request.finish(1);
  return {bytes.begin() + sizeof(nlmsghdr), bytes.end()};
}

}  // namespace

TEST_CASE("NetlinkRequest: attributes are aligned to 4 octets, lengths leave the padding out") {
  NetlinkRequest request{16, 4};
  request.add(1, std::uint8_t{7}).add_text(2, "ab").begin(3).add(4, std::uint32_t{0x01020304}).end();

  const BytesView bytes = request.finish(9);

  // Little-endian, as every machine that this runs on: length, type, value, padding.
  CHECK(to_hex(bytes.subspan(0, 16)) ==
        "2c000000"
        "1000"
        "0500"
        "09000000"
        "00000000");
  CHECK(to_hex(bytes.subspan(16)) ==
        "0500"
        "0100"
        "07000000"
        "0700"
        "0200"
        "61620000"
        "0c00"
        "0380"
        "0800"
        "0400"
        "04030201");
}

TEST_CASE("find_attribute: finds by type whatever the nesting flag says, and nothing beyond a bad length") {
  NetlinkRequest request{16, 0};
  request.add(1, std::uint16_t{5}).begin(3).add_text(4, "bridge").end();
  Bytes bytes = attributes_of(request);

  CHECK(find_attribute_as<std::uint16_t>(bytes, 1) == 5);
  CHECK_FALSE(find_attribute_as<std::uint32_t>(bytes, 1));
  const auto nested = find_attribute(bytes, 3);
  REQUIRE(nested);
  CHECK(find_text(*nested, 4) == "bridge");
  CHECK(find_text(*nested, 5).empty());
  CHECK_FALSE(find_attribute(bytes, 2));

  bytes[0] = 3;  // shorter than its own header
  CHECK_FALSE(find_attribute(bytes, 3));
  bytes[0] = 0xff;  // beyond the end
  CHECK_FALSE(find_attribute(bytes, 1));
}

TEST_CASE("find_attribute: every shorter prefix gives a whole value or none") {
  NetlinkRequest request{16, 0};
  request.add(1, std::uint32_t{5}).add(2, std::uint32_t{6});
  const Bytes bytes = attributes_of(request);

  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const BytesView prefix = BytesView{bytes}.first(size);
    CHECK(find_attribute_as<std::uint32_t>(prefix, 2) == std::nullopt);
    CHECK(find_attribute_as<std::uint32_t>(prefix, 1).has_value() == (size >= 8));
  }
}

TEST_CASE("NetlinkSocket: a refused change gives its errno, a dump visits what is there") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  NetlinkSocket socket;

  ifinfomsg nowhere{};
  nowhere.ifi_index = 4711;
  NetlinkRequest change{RTM_NEWLINK, NLM_F_ACK};
  change.header(nowhere).add(IFLA_MTU, std::uint32_t{1400});
  CHECK(socket.change(change) == ENODEV);

  NetlinkRequest dump{RTM_GETLINK, NLM_F_DUMP};
  dump.header(ifinfomsg{});
  std::vector<std::string> names;
  CHECK(socket.dump(dump, [&](const NetlinkMessage& message) {
    names.push_back(find_text(attributes_after<ifinfomsg>(message), IFLA_IFNAME));
  }) == 0);
  CHECK(std::find(names.begin(), names.end(), "lo") != names.end());
}

}  // namespace rove
