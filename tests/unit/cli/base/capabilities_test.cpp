#include "cli/base/capabilities.h"

#include <doctest/doctest.h>

namespace rove {

TEST_CASE("parse_capabilities: the effective set, of which four count") {
  const auto root =
      parse_capabilities("Name:\trove\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n");
  const auto service = parse_capabilities("Name:\trove\nCapEff:\t0000000000803000\n");  // 12, 13 and 23
  const auto nobody = parse_capabilities("Name:\trove\nCapEff:\t0000000000000000\n");

  REQUIRE(root);
  CHECK(names_of(*root) == std::vector<std::string>{"net_admin", "net_raw", "sys_nice", "bpf"});
  REQUIRE(service);
  CHECK(names_of(*service) == std::vector<std::string>{"net_admin", "net_raw", "sys_nice"});
  REQUIRE(nobody);
  CHECK(names_of(*nobody).empty());
  CHECK_FALSE(parse_capabilities(""));
  CHECK_FALSE(parse_capabilities("Name:\trove\nCapEff:\tnone\n"));
}

}  // namespace rove
