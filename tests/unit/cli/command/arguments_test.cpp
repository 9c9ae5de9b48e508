#include "cli/command/arguments.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

Arguments understood(const std::vector<std::string>& arguments) {
  auto parsed = parse_arguments(arguments);
  if (const auto* exit = std::get_if<EarlyExit>(&parsed)) FAIL(exit->errors);
  return std::get<Arguments>(std::move(parsed));
}

template <typename T>
T command_of(const std::vector<std::string>& arguments) {
  Arguments parsed = understood(arguments);
  REQUIRE(std::holds_alternative<T>(parsed.command));
  return std::get<T>(std::move(parsed.command));
}

EarlyExit refused(const std::vector<std::string>& arguments) {
  auto parsed = parse_arguments(arguments);
  REQUIRE(std::holds_alternative<EarlyExit>(parsed));
  return std::get<EarlyExit>(std::move(parsed));
}

}  // namespace

TEST_CASE("parse_arguments: init takes a network, subnets and its options") {
  const std::vector<std::string> line{"init",   "demo",  "--subnet",  "10.77.0.0/24", "fd00::/64",     "--node",
                                      "host-a", "--mtu", "1380",      "--bootstrap",  "10.1.0.2:7683", "boot",
                                      "--dir",  "/x",    "--expires", "30d"};

  const auto command = command_of<InitCommand>(line);

  CHECK(understood(line).network == "demo");
  CHECK(understood(line).paths.config_dir == "/x");
  REQUIRE(command.subnets.size() == 2);
  CHECK(to_string(command.subnets[1]) == "fd00::/64");
  CHECK(command.node == "host-a");
  CHECK(command.mtu == 1380);
  REQUIRE(command.bootstrap.size() == 2);
  CHECK(command.bootstrap[1] == HostPort{"boot", 7683});
  CHECK(command.expires == std::chrono::hours{30 * 24});
}

TEST_CASE("parse_arguments: init may repeat --subnet, and has defaults") {
  const auto command = command_of<InitCommand>({"init", "demo", "--subnet", "10.77.0.0/24", "--subnet", "fd00::/64"});

  CHECK(command.subnets.size() == 2);
  CHECK(command.node.empty());
  CHECK_FALSE(command.mtu.has_value());
  CHECK(command.expires == std::chrono::hours{365 * 24});
}

TEST_CASE("parse_arguments: enroll and join") {
  const auto enroll = command_of<EnrollCommand>({"enroll", "b", "--allow", "10.77.0.0/25", "-o", "b.rove"});
  const auto join = command_of<JoinCommand>({"join", "b.rove", "--replace"});

  CHECK(enroll.node == "b");
  REQUIRE(enroll.allow.size() == 1);
  CHECK(enroll.output == "b.rove");
  CHECK(join.file == "b.rove");
  CHECK(join.replace);
  CHECK_FALSE(command_of<JoinCommand>({"join", "b.rove"}).replace);
}

TEST_CASE("parse_arguments: up takes the network as an argument or by -n, before or after the verb") {
  CHECK(understood({"up", "demo"}).network == "demo");
  CHECK(understood({"-n", "demo", "up"}).network == "demo");
  CHECK(understood({"up", "-n", "demo"}).network == "demo");
  CHECK_FALSE(understood({"up"}).network.has_value());
}

TEST_CASE("parse_arguments: up's options go before the configuration's") {
  const auto command =
      command_of<UpCommand>({"up", "--config", "x.toml", "--listen", "10.0.0.1:7000", "--log-level", "debug"});

  CHECK(command.config == "x.toml");
  CHECK(command.listen == ListenAddress{parse_ip("10.0.0.1"), 7000});
  CHECK(command.log_level == LogLevel::Debug);
}

TEST_CASE("parse_arguments: verbs that the daemon answers become requests") {
  CHECK(command_of<CallCommand>({"status"}).request.verb == ControlVerb::Status);
  CHECK(command_of<CallCommand>({"status", "--counters"}).counters);
  CHECK(command_of<CallCommand>({"peers"}).request.verb == ControlVerb::Peers);
  CHECK(command_of<CallCommand>({"vms"}).request.verb == ControlVerb::Vms);
  CHECK(command_of<CallCommand>({"down"}).request.verb == ControlVerb::Down);

  const ControlRequest lookup = command_of<CallCommand>({"lookup", "10.77.0.5", "--refresh"}).request;
  CHECK(lookup.verb == ControlVerb::Lookup);
  CHECK(lookup.address == VmAddress{*parse_ip("10.77.0.5")});
  CHECK(lookup.refresh);

  const ControlRequest timeline = command_of<CallCommand>({"timeline", "02:00:5e:10:00:01"}).request;
  CHECK(timeline.verb == ControlVerb::Timeline);
  CHECK(timeline.address == VmAddress{*parse_mac("02:00:5e:10:00:01")});
  CHECK(std::holds_alternative<WatchCommand>(understood({"watch"}).command));

  const ControlRequest claim = command_of<CallCommand>({"claim", "02:00:5e:10:00:01", "10.77.0.5", "fd00::5"}).request;
  CHECK(claim.verb == ControlVerb::Claim);
  CHECK(claim.mac == *parse_mac("02:00:5e:10:00:01"));
  CHECK(claim.ips == std::vector<IpAddress>{*parse_ip("10.77.0.5"), *parse_ip("fd00::5")});

  CHECK(command_of<CallCommand>({"release", "02:00:5e:10:00:01"}).request.verb == ControlVerb::Release);
  CHECK(command_of<CallCommand>({"prepare", "02:00:5e:10:00:01"}).request.verb == ControlVerb::Prepare);
  CHECK(command_of<CallCommand>({"prepare", "10.77.0.5"}).request.address == VmAddress{*parse_ip("10.77.0.5")});
}

TEST_CASE("parse_arguments: info, ping, top and a traced lookup") {
  const ControlRequest info = command_of<CallCommand>({"info", "host-b"}).request;
  CHECK(info.verb == ControlVerb::Info);
  CHECK(info.target == "host-b");
  CHECK(command_of<CallCommand>({"lookup", "10.0.0.1", "--trace"}).request.trace);
  CHECK_FALSE(command_of<CallCommand>({"lookup", "10.0.0.1"}).request.trace);

  const auto ping = command_of<PingCommand>({"ping", "10.77.0.5", "-c", "3", "-i", "200ms", "--timeout", "1s"});
  CHECK(ping.target == "10.77.0.5");
  CHECK(ping.count == 3);
  CHECK(ping.interval == std::chrono::milliseconds{200});
  CHECK(ping.timeout == std::chrono::seconds{1});
  const auto endless = command_of<PingCommand>({"ping", "b"});
  CHECK_FALSE(endless.count.has_value());
  CHECK(endless.interval == std::chrono::seconds{1});
  CHECK(endless.timeout == std::chrono::seconds{2});

  const auto top = command_of<TopCommand>({"top", "-n", "demo", "--count", "2", "--interval", "5s"});
  CHECK(top.count == 2);
  CHECK(top.interval == std::chrono::seconds{5});
  CHECK(understood({"top", "-n", "demo"}).network == "demo");
}

TEST_CASE("parse_arguments: every read verb takes --json") {
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{{"status"},
                                                                                    {"peers"},
                                                                                    {"vms"},
                                                                                    {"lookup", "10.0.0.1"},
                                                                                    {"timeline", "10.0.0.1"},
                                                                                    {"info", "b"},
                                                                                    {"ping", "b"},
                                                                                    {"top"},
                                                                                    {"watch"},
                                                                                    {"check"},
                                                                                    {"version"},
                                                                                    {"claim", "02:00:5e:10:00:01"}}) {
    CAPTURE(line.front());
    std::vector<std::string> with_json = line;
    with_json.emplace_back("--json");
    CHECK(understood(with_json).json);
    CHECK_FALSE(understood(line).json);
  }
}

TEST_CASE("parse_arguments: wait has a timeout in any unit") {
  CHECK(command_of<WaitCommand>({"wait"}).timeout == std::chrono::seconds{30});
  CHECK(command_of<WaitCommand>({"wait", "--timeout", "5"}).timeout == std::chrono::seconds{5});
  CHECK(command_of<WaitCommand>({"wait", "--timeout", "250ms"}).timeout == std::chrono::milliseconds{250});
}

TEST_CASE("parse_arguments: --version is the verb") {
  CHECK(std::holds_alternative<VersionCommand>(understood({"--version"}).command));
}

TEST_CASE("parse_arguments: what is wrong is a usage error on stderr that names the next command") {
  const std::vector<std::vector<std::string>> lines{
      {"init", "demo"},                                                 // no subnet
      {"init", "Demo", "--subnet", "10.0.0.0/8"},                       // no name
      {"init", "../x", "--subnet", "10.0.0.0/8"},                       // no name
      {"init", "demo", "--subnet", "10.0.0.1/8"},                       // host bits
      {"init", "demo", "--subnet", "10.0.0.0/8", "--mtu", "9"},         // too small
      {"init", "demo", "--subnet", "10.0.0.0/8", "--node", "a b"},      // no name
      {"init", "demo", "--subnet", "10.0.0.0/8", "--expires", "soon"},  // no duration
      {"enroll", "b"},                                                  // no output
      {"join"},                                                         // no file
      {"lookup"},                                                       // no address
      {"lookup", "host-a"},                                             // no address
      {"timeline"},                                                     // no VM
      {"timeline", "vm"},                                               // no address
      {"watch", "vm"},                                                  // takes none
      {"claim", "02:00:5e:10:00"},                                      // no MAC
      {"claim", "02:00:5e:10:00:01", "10.0.0.300"},                     // no IP
      {"up", "--listen", "nowhere"},                                    // no port
      {"up", "--log-level", "loud"},                                    // no level
      {"wait", "--timeout", "-1s"},                                     // no duration
      {"info"},                                                         // no node
      {"ping"},                                                         // no target
      {"ping", "b", "-c", "0"},                                         // no count
      {"ping", "b", "-c", "many"},                                      // no count
      {"ping", "b", "-i", "10ms"},                                      // too often
      {"ping", "b", "--timeout", "11s"},                                // longer than the daemon waits
      {"top", "-i", "2h"},                                              // too seldom
      {"top", "b"},                                                     // takes none
      {"status", "--jason"},                                            // no option
      {"status", "peers"},                                              // two verbs
      {"-n", "demo"},                                                   // no verb
      {},
  };
  for (const auto& line : lines) {
    CAPTURE(line.size());
    if (!line.empty()) CAPTURE(line.front());
    const EarlyExit exit = refused(line);
    CHECK(exit.status == ExitStatus::Usage);
    CHECK(exit.output.empty());
    CHECK_FALSE(exit.errors.empty());
  }
}

TEST_CASE("parse_arguments: an error is one line of what and why, and one of what to try") {
  const EarlyExit exit = refused({"lookup", "host-a"});

  CHECK(exit.errors.starts_with("rove: arguments: "));
  CHECK(exit.errors.find("\"host-a\" is not an IP or a MAC") != std::string::npos);
  CHECK(exit.errors.ends_with("\ntry: rove lookup --help\n"));
}

TEST_CASE("parse_arguments: an unknown verb gets the nearest one") {
  CHECK(refused({"lokup", "10.0.0.1"}).errors == "rove: arguments: no verb \"lokup\"\ntry: rove lookup\n");
  CHECK(refused({"zzzzzz"}).errors == "rove: arguments: no verb \"zzzzzz\"\ntry: rove --help\n");
}

TEST_CASE("parse_arguments: help is data and succeeds, of the program and of a verb") {
  const EarlyExit whole = refused({"--help"});
  CHECK(whole.status == ExitStatus::Ok);
  CHECK(whole.errors.empty());
  for (const char* verb :
       {"init",  "enroll", "join",    "up",      "down", "check", "status",     "peers",   "vms",  "lookup", "timeline",
        "watch", "claim",  "prepare", "release", "wait", "pcap",  "completion", "version", "info", "ping",   "top"}) {
    CAPTURE(verb);
    CHECK(whole.output.find(verb) != std::string::npos);
    CHECK(refused({verb, "--help"}).output.find(verb) != std::string::npos);
  }
  CHECK(refused({"lookup", "--help"}).output.find("--refresh") != std::string::npos);
}

TEST_CASE("parse_arguments: pcap takes a side, limits, and a filter in one word or several") {
  const auto plain = command_of<PcapCommand>({"pcap"});
  const auto full =
      command_of<PcapCommand>({"pcap", "--outside", "-c", "10", "--snaplen", "96", "host", "a", "or", "b"});

  CHECK_FALSE(plain.outside);
  CHECK_FALSE(plain.count.has_value());
  CHECK_FALSE(plain.snaplen.has_value());
  CHECK(plain.filter.empty());
  CHECK(full.outside);
  CHECK(full.count == 10);
  CHECK(full.snaplen == 96);
  CHECK(full.filter == "host a or b");
  CHECK(command_of<PcapCommand>({"pcap", "--inside", "tcp[13] & 2 != 0"}).filter == "tcp[13] & 2 != 0");
  for (const char* number : {"0", "-1", "x", "1x", "99999999999999999999"}) {
    CHECK(refused({"pcap", "-c", number}).status == ExitStatus::Usage);
    CHECK(refused({"pcap", "--snaplen", number}).status == ExitStatus::Usage);
  }
  CHECK(refused({"pcap", "--inside", "--outside"}).status == ExitStatus::Usage);
}

TEST_CASE("parse_arguments: completion knows its shells, and its words are hidden from help") {
  CHECK(command_of<CompletionCommand>({"completion", "zsh"}).shell == "zsh");
  CHECK(command_of<CompleteWordsCommand>({"complete-words", "nodes"}).kind == "nodes");
  CHECK(refused({"completion", "tcsh"}).status == ExitStatus::Usage);
  CHECK(refused({"complete-words", "tcsh"}).status == ExitStatus::Usage);
  CHECK(refused({"--help"}).output.find("complete-words") == std::string::npos);
  CHECK(refused({"complete-word"}).errors.find("complete-words") == std::string::npos);
}

TEST_CASE("parse_duration: units, limits and nonsense") {
  using std::chrono::hours;
  CHECK(parse_duration("15m") == std::chrono::minutes{15});
  CHECK(parse_duration("24h") == hours{24});
  CHECK(parse_duration("365d") == hours{365 * 24});
  CHECK(parse_duration("0") == std::chrono::seconds{0});
  for (const char* text :
       {"", "d", "1y", "-1s", "1.5h", "99999999999999999999", "40000d", "1 s", "9223372036854775807d"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
}

TEST_CASE("parse_arguments: doctor, netcheck and bugreport") {
  CHECK(std::holds_alternative<DoctorCommand>(understood({"doctor"}).command));
  CHECK(understood({"doctor", "--json"}).json);
  CHECK(std::holds_alternative<NetcheckCommand>(understood({"netcheck", "-n", "demo"}).command));
  CHECK_FALSE(command_of<BugreportCommand>({"bugreport"}).output.has_value());
  CHECK(command_of<BugreportCommand>({"bugreport", "-o", "-"}).output == "-");
  CHECK(refused({"bugreport", "--json"}).status == ExitStatus::Usage);
}

TEST_CASE("parse_arguments: log-level shows or sets, reload takes nothing") {
  CHECK(command_of<CallCommand>({"log-level"}).request.verb == ControlVerb::LogLevel);
  CHECK_FALSE(command_of<CallCommand>({"log-level"}).request.log_level.has_value());
  CHECK(command_of<CallCommand>({"log-level", "debug"}).request.log_level == LogLevel::Debug);
  CHECK(refused({"log-level", "loud"}).status == ExitStatus::Usage);
  CHECK(command_of<CallCommand>({"reload"}).request.verb == ControlVerb::Reload);
  CHECK(refused({"reload", "now"}).status == ExitStatus::Usage);
}

}  // namespace rove
