#include "cli/config/enrolment.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/config/config.h"
#include "core/crypto/hash.h"
#include "tap/system_random.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

constexpr WallTime kNow{std::chrono::milliseconds{1'800'000'000'000}};

// A host with directories of its own.
struct Host {
  Host() { init_crypto(); }

  TemporaryDirectory directory;
  Paths paths{.config_dir = directory.path() / "etc", .state_dir = {}, .run_dir = {}};
  SystemRandom random;

  Enrolment init(InitCommand command = {}) {
    if (command.subnets.empty()) command.subnets = {*parse_prefix("10.77.0.0/24"), *parse_prefix("fd00::/64")};
    if (command.node.empty()) command.node = "first";
    return create_network("demo", command, paths, kNow, random);
  }
  Enrolment enroll(EnrollCommand command) {
    if (command.output.empty()) command.output = directory / (command.node + ".rove");
    return enroll_node("demo", command, paths, kNow, random);
  }
  [[nodiscard]] EnrollCommand node(const std::string& name) const {
    EnrollCommand command;
    command.node = name;
    return command;
  }
};

template <typename Function>
ExitStatus status_of(Function function) {
  try {
    function();
    return ExitStatus::Ok;
  } catch (const Failure& failure) {
    return failure.status();
  }
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

}  // namespace

TEST_CASE("init: makes a CA, a credential for its first node and a valid configuration; keys are for the owner only") {
  Host host;
  InitCommand command;
  command.mtu = 1380;
  command.bootstrap = {{"boot.example.org", 7000}};

  const Enrolment made = host.init(command);

  const NodeCredential credential = load_credential(host.paths.credential_file("demo"));
  verify_credential(credential, "x", kNow);
  CHECK(made.node == "first");
  CHECK(made.network_id == credential.anchor.network_id());
  CHECK(credential.credential.network.name == "demo");
  CHECK(credential.credential.network.inner_mtu == 1380);
  CHECK(credential.credential.network.bootstrap == std::vector<std::string>{"boot.example.org:7000"});
  CHECK(credential.credential.network.subnets.size() == 2);
  CHECK(credential.certificate.name() == "first");
  CHECK(credential.certificate.allows(*parse_ip("10.77.0.5")));
  CHECK(mode_of(host.paths.credential_file("demo")) == 0600);
  CHECK(mode_of(host.paths.authority_file("demo")) == 0600);
  const DaemonConfig config = load_config(host.paths.config_file("demo"), "otherwise");
  CHECK(config.credential == host.paths.credential_file("demo"));
}

TEST_CASE("init: overwrites nothing, whichever of its files is there") {
  for (const auto& file : {&Paths::authority_file, &Paths::credential_file, &Paths::config_file}) {
    Host host;
    make_directory(host.paths.config_dir, 0755);
    const auto path = (host.paths.*file)("demo");
    replace_file(path, "precious", 0600);

    CHECK(status_of([&] { host.init(); }) == ExitStatus::Conflict);

    CHECK(read_file(path) == "precious");
    CHECK(find_networks(host.paths).size() == (path.extension() == ".toml" ? 1 : 0));
  }
}

TEST_CASE("init: two networks of one name share nothing secret") {
  Host one;
  Host other;
  one.init();
  other.init();

  const NodeCredential a = load_credential(one.paths.credential_file("demo"));
  const NodeCredential b = load_credential(other.paths.credential_file("demo"));

  CHECK(a.credential.network.key.expose() != b.credential.network.key.expose());
  CHECK(a.anchor.network_id() != b.anchor.network_id());
  CHECK(a.certificate.id() != b.certificate.id());
}

TEST_CASE("enroll and join: the new node has the network's key, and what it is allowed") {
  Host ca;
  ca.init();
  EnrollCommand command = ca.node("second");
  command.allow = {*parse_prefix("10.77.0.128/25")};
  command.bootstrap = {{"10.1.0.2", 7683}};
  const Enrolment enrolled = ca.enroll(command);
  Host host;

  const Enrolment joined = join_network({.file = enrolled.files.front(), .replace = false}, host.paths, kNow);

  CHECK(mode_of(enrolled.files.front()) == 0600);
  const NodeCredential first = load_credential(ca.paths.credential_file("demo"));
  const NodeCredential second = load_credential(host.paths.credential_file("demo"));
  CHECK(joined.node == "second");
  CHECK(joined.node_id == enrolled.node_id);
  CHECK(second.credential.network.key.expose() == first.credential.network.key.expose());
  CHECK(second.anchor.network_id() == first.anchor.network_id());
  CHECK(second.certificate.allows(*parse_ip("10.77.0.200")));
  CHECK_FALSE(second.certificate.allows(*parse_ip("10.77.0.5")));
  CHECK(second.credential.network.bootstrap == std::vector<std::string>{"10.1.0.2:7683"});
  CHECK(first.anchor.verify(second.certificate, kNow).has_value());
  CHECK(mode_of(host.paths.credential_file("demo")) == 0600);
  CHECK(find_networks(host.paths) == std::vector<std::string>{"demo"});
}

TEST_CASE("enroll: without --allow a node may host VMs of every subnet") {
  Host ca;
  ca.init();

  const Enrolment enrolled = ca.enroll(ca.node("second"));

  CHECK(enrolled.prefixes.size() == 2);
}

TEST_CASE("enroll: refuses more than the CA has, an existing output, and a host without a CA") {
  Host ca;
  ca.init();
  EnrollCommand beyond = ca.node("second");
  beyond.allow = {*parse_prefix("10.0.0.0/8")};
  CHECK(status_of([&] { ca.enroll(beyond); }) == ExitStatus::Usage);
  CHECK_FALSE(std::filesystem::exists(ca.directory / "second.rove"));

  EnrollCommand too_long = ca.node("second");
  too_long.expires = std::chrono::hours{24 * 365 * 50};
  CHECK(status_of([&] { ca.enroll(too_long); }) == ExitStatus::Usage);

  ca.enroll(ca.node("second"));
  CHECK(status_of([&] { ca.enroll(ca.node("second")); }) == ExitStatus::Conflict);

  Host elsewhere;
  CHECK(status_of([&] { elsewhere.enroll(elsewhere.node("third")); }) == ExitStatus::Usage);
}

TEST_CASE("join: the same file twice is fine, another one needs --replace, and the configuration stays") {
  Host ca;
  ca.init();
  const auto second = ca.enroll(ca.node("second")).files.front();
  const auto third = ca.enroll(ca.node("third")).files.front();
  Host host;
  join_network({.file = second, .replace = false}, host.paths, kNow);
  replace_file(host.paths.config_file("demo"), "tap = \"mine\"\n", 0644);

  CHECK(status_of([&] { join_network({.file = second, .replace = false}, host.paths, kNow); }) == ExitStatus::Ok);
  CHECK(status_of([&] { join_network({.file = third, .replace = false}, host.paths, kNow); }) == ExitStatus::Conflict);
  CHECK(load_credential(host.paths.credential_file("demo")).certificate.name() == "second");
  CHECK(status_of([&] { join_network({.file = third, .replace = true}, host.paths, kNow); }) == ExitStatus::Ok);
  CHECK(load_credential(host.paths.credential_file("demo")).certificate.name() == "third");
  CHECK(read_file(host.paths.config_file("demo")) == "tap = \"mine\"\n");
}

TEST_CASE("join: refuses what is no credential, expired, or not there, and installs nothing") {
  Host ca;
  ca.init();
  const auto file = ca.enroll(ca.node("second")).files.front();
  const std::string text = *read_file(file);
  Host host;
  const auto join = [&](const std::filesystem::path& from, WallTime now) {
    return status_of([&] { join_network({.file = from, .replace = false}, host.paths, now); });
  };

  CHECK(join(host.directory / "missing", kNow) == ExitStatus::Usage);
  CHECK(join(file, kNow + std::chrono::hours{24 * 366}) == ExitStatus::Usage);
  for (const std::string& damaged :
       {std::string{}, text.substr(0, text.size() / 2), text + text, std::string{"\xff"}}) {
    replace_file(host.directory / "damaged", damaged, 0600);
    CHECK(join(host.directory / "damaged", kNow) == ExitStatus::Usage);
  }

  CHECK(find_networks(host.paths).empty());
  CHECK_FALSE(std::filesystem::exists(host.paths.credential_file("demo")));
}

TEST_CASE("credential: one that others may read is refused, with the command that mends it") {
  Host host;
  host.init();
  std::filesystem::permissions(host.paths.credential_file("demo"), std::filesystem::perms{0644});

  try {
    (void)load_credential(host.paths.credential_file("demo"));
    FAIL("no Failure");
  } catch (const Failure& failure) {
    CHECK(failure.status() == ExitStatus::Usage);
    CHECK(failure.next() == "chmod 600 " + host.paths.credential_file("demo").string());
  }
}

TEST_CASE("credential: of a service manager's copy the mode does not matter") {
  Host host;
  host.init();
  std::filesystem::permissions(host.paths.credential_file("demo"), std::filesystem::perms{0440});

  CHECK(load_credential(host.paths.credential_file("demo"), KeyGuard::ServiceManager).certificate.name().size() > 0);
}

TEST_CASE("credential: an expired certificate names what to do") {
  Host host;
  host.init();
  const NodeCredential credential = load_credential(host.paths.credential_file("demo"));

  try {
    verify_credential(credential, "x", kNow + std::chrono::hours{24 * 366});
    FAIL("no Failure");
  } catch (const Failure& failure) {
    CHECK(failure.status() == ExitStatus::Usage);
    CHECK(failure.next().find("rove enroll") != std::string::npos);
  }
}

TEST_CASE("authority file: damaged ones and plain credentials are refused") {
  Host host;
  host.init();
  const auto file = host.paths.authority_file("demo");
  const std::string text = *read_file(file);
  const std::string credential = *read_file(host.paths.credential_file("demo"));

  for (const std::string& damaged : {std::string{}, text.substr(0, text.size() / 2), text + text, credential}) {
    replace_file(file, damaged, 0600);
    CHECK(status_of([&] { (void)load_authority(file, "demo"); }) == ExitStatus::Usage);
  }
  replace_file(file, text, 0600);
  CHECK(load_authority(file, "demo").network.name == "demo");
}

TEST_CASE("node_name_of: makes a name of a host's, or none") {
  CHECK(node_name_of("Host-3.example.org") == "host-3");
  CHECK(node_name_of("vm_host") == "vm-host");
  CHECK(node_name_of("_x_") == "x");
  CHECK(node_name_of("").empty());
  CHECK(node_name_of("...").empty());
}

}  // namespace rove
