#include "cli/daemon/member_names.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

MemberName member(std::uint8_t first, const std::string& name, bool up = false) {
  MemberName member{.id = {}, .name = name, .up = up};
  member.id.octets.fill(0x11);
  member.id.octets[0] = 0xab;
  member.id.octets[1] = first;
  return member;
}

const std::vector<MemberName> kMembers{member(1, "host-a"), member(2, "host-b", true), member(3, ""),
                                       member(4, "moved"),  member(5, "moved", true),  member(6, "twin"),
                                       member(7, "twin"),   member(8, "ab02")};

TEST_CASE("find_member: by its name, before any id") {
  CHECK(find_member(kMembers, "host-b").member->id == kMembers[1].id);
  CHECK(find_member(kMembers, "ab02").member->id == kMembers[7].id);
}

TEST_CASE("find_member: by the beginning of its id, in either case") {
  CHECK(find_member(kMembers, "ab0311").member->id == kMembers[2].id);
  CHECK(find_member(kMembers, "AB01").member->id == kMembers[0].id);
  CHECK(find_member(kMembers, to_string(kMembers[3].id)).member->name == "moved");
}

TEST_CASE("find_member: of several with one name the one that is connected; else all are told") {
  CHECK(find_member(kMembers, "moved").member->id == kMembers[4].id);

  const FoundMember twins = find_member(kMembers, "twin");
  CHECK_FALSE(twins.member);
  CHECK(twins.several == std::vector<std::string>{to_string(kMembers[5].id), to_string(kMembers[6].id)});
}

TEST_CASE("find_member: an id prefix that several have is told, one that is too short is none") {
  std::vector<MemberName> alike = kMembers;
  alike[1].id = alike[0].id;
  alike[1].id.octets[15] = 0;
  CHECK(find_member(alike, "ab0111").several.size() == 2);
  CHECK(find_member(kMembers, "ab").several.empty());
  CHECK_FALSE(find_member(kMembers, "ab").member);
}

TEST_CASE("find_member: where nobody is meant, the nearest names are told, nearest first") {
  const FoundMember found = find_member(kMembers, "hosta");
  CHECK_FALSE(found.member);
  CHECK(found.nearest == std::vector<std::string>{"host-a", "host-b"});
  CHECK(find_member(kMembers, "host").nearest == std::vector<std::string>{"host-a", "host-b"});
  CHECK(find_member(kMembers, "elsewhere").nearest.empty());
  CHECK(find_member({}, "host-a").nearest.empty());
}

}  // namespace
}  // namespace rove
