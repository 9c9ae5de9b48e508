#include "core/wire/checksum.h"

#include <doctest/doctest.h>

#include "tests/support/seeded_random.h"

namespace rove {
namespace {

TEST_CASE("internet_checksum: RFC 1071's example, and an odd size counts as padded with zero") {
  const Bytes bytes = from_hex("0001f203f4f5f6f7");
  CHECK(internet_checksum({bytes}) == 0x220d);
  CHECK(internet_checksum({BytesView{bytes}.first(4), BytesView{bytes}.last(4)}) == 0x220d);
  CHECK(internet_checksum({from_hex("0001f2")}) == internet_checksum({from_hex("0001f200")}));
  CHECK(internet_checksum({}) == 0xffff);
}

TEST_CASE("updated_checksum: RFC 1624's example that equation 2 got wrong") {
  CHECK(updated_checksum(0xdd2f, 0x5555, 0x3285) == 0x0000);
}

TEST_CASE("updated_checksum: agrees with computing anew") {
  SeededRandom random{1};
  for (int round = 0; round < 1000; ++round) {
    auto bytes = random.bytes<40>();
    bytes[0] = 0x45;  // an all-zero header has two correct checksums; a real one never is
    const std::uint16_t before = internet_checksum({bytes});
    const std::size_t at = 2 + 2 * random.below(19);
    const std::uint16_t old_word = load_be<std::uint16_t>(bytes.data() + at);
    const auto new_word = static_cast<std::uint16_t>(random.u32());
    store_be(bytes.data() + at, new_word);

    CHECK(updated_checksum(before, old_word, new_word) == internet_checksum({bytes}));
  }
}

}  // namespace
}  // namespace rove
