#include "cli/base/file_io.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

std::size_t entries_in(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{directory}) ++count;
  return count;
}

}  // namespace

TEST_CASE("read_file: a missing file is no error") {
  const TemporaryDirectory directory;

  CHECK_FALSE(read_file(directory / "nothing").has_value());
  CHECK_THROWS_AS((void)read_file(directory.path()), std::system_error);
}

TEST_CASE("read_file: a file that is too large is refused") {
  const TemporaryDirectory directory;
  replace_file(directory / "large", std::string(kFileSizeMax + 1, 'x'), 0600);

  CHECK_THROWS_AS((void)read_file(directory / "large"), std::runtime_error);
}

TEST_CASE("replace_file: contents and mode are the new ones, and nothing else is left") {
  const TemporaryDirectory directory;
  replace_file(directory / "file", "old", 0644);

  replace_file(directory / "file", "new", 0600);

  CHECK(read_file(directory / "file") == "new");
  CHECK(mode_of(directory / "file") == 0600);
  CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("replace_file: a failure leaves neither a temporary file nor a changed one") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "taken");

  CHECK_THROWS_AS(replace_file(directory / "taken", "x", 0600), std::system_error);

  CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("create_file: never overwrites") {
  const TemporaryDirectory directory;

  CHECK(create_file(directory / "file", "first", 0600));
  CHECK_FALSE(create_file(directory / "file", "second", 0600));

  CHECK(read_file(directory / "file") == "first");
  CHECK(mode_of(directory / "file") == 0600);
  CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("is_open_to_others: tells a key's file from a public one") {
  const TemporaryDirectory directory;
  replace_file(directory / "secret", "", 0600);
  replace_file(directory / "group", "", 0640);
  replace_file(directory / "public", "", 0604);

  CHECK_FALSE(is_open_to_others(directory / "secret"));
  CHECK(is_open_to_others(directory / "group"));
  CHECK(is_open_to_others(directory / "public"));
}

TEST_CASE("make_directory: makes parents, and is content with what exists") {
  const TemporaryDirectory directory;

  make_directory(directory / "a/b/c", 0700);
  make_directory(directory / "a/b/c", 0700);

  CHECK(mode_of(directory / "a/b/c") == 0700);
}

}  // namespace rove
