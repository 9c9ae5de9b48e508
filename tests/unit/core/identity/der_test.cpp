#include "core/identity/der.h"

#include <doctest/doctest.h>

#include "tests/support/seeded_random.h"

using namespace rove;

namespace {

bool is_refused(std::string_view hex) {
  const Bytes der = from_hex(hex);
  REQUIRE(!der.empty());
  DerReader from{der};
  const BytesView content = from.read(DerTag::OctetString);
  return content.empty() && !from.ok() && !from.done();
}

}  // namespace

TEST_CASE("DER: lengths are written in their shortest form and read back") {
  for (const auto& [size, head] : std::vector<std::pair<std::size_t, std::string>>{{0, "0400"},
                                                                                   {1, "0401"},
                                                                                   {127, "047f"},
                                                                                   {128, "048180"},
                                                                                   {255, "0481ff"},
                                                                                   {256, "04820100"},
                                                                                   {65535, "0482ffff"}}) {
    Bytes der;
    write_der(der, DerTag::OctetString, Bytes(size, 7));

    CHECK(to_hex(BytesView{der}.first(head.size() / 2)) == head);
    DerReader from{der};
    CHECK(from.read(DerTag::OctetString).size() == size);
    CHECK(from.done());
  }
}

TEST_CASE("DER: what is not in its shortest form, too long, indefinite or of another tag is refused") {
  CHECK(is_refused("04"));
  CHECK(is_refused("0401"));
  CHECK(is_refused("04810107"));      // one octet could do
  CHECK(is_refused("0482000107"));    // so here
  CHECK(is_refused("048300000107"));  // three octets of length
  CHECK(is_refused("0480070000"));    // indefinite
  CHECK(is_refused("0481"));
  CHECK(is_refused("048201"));
  CHECK(is_refused("030107"));
  CHECK(is_refused("1f0107"));
}

TEST_CASE("DER: after a failure nothing more is read") {
  const Bytes der = from_hex("0401aa0501");
  DerReader from{der};

  CHECK(from.read(DerTag::OctetString).size() == 1);
  CHECK(from.has_more());
  CHECK(from.next_is(DerTag::Null));
  CHECK(from.read(DerTag::Null).empty());

  CHECK_FALSE(from.ok());
  CHECK_FALSE(from.has_more());
  CHECK_FALSE(from.next_is(DerTag::Null));
  CHECK(from.read(DerTag::OctetString).empty());
}
