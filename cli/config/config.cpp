#include "cli/config/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <sstream>
#include <system_error>
#include <tuple>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/base/nearest.h"
#include "core/wire/shard.h"

namespace rove {
namespace {

// IFNAMSIZ - 1; longer link names do not exist in Linux.
constexpr std::size_t kLinkNameLengthMax = 15;

constexpr std::string_view kReplayModes = "exact, at-least-once, off";

bool is_link_name(std::string_view text) {
  // As the kernel's dev_valid_name(), and printable ASCII only.
  const auto fits = [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':'; };
  return !text.empty() && text.size() <= kLinkNameLengthMax && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), fits);
}

bool is_group_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= 32 && text.front() != '-' && std::all_of(text.begin(), text.end(), fits);
}

std::string_view describe(toml::node_type type) {
  switch (type) {
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "a number";
    case toml::node_type::floating_point: return "a fraction";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::array: return "a list";
    case toml::node_type::table: return "a table";
    default: return "a date or time";
  }
}

std::string quote(std::string_view text) {
  std::string quoted = escape_value(text);
  return quoted.front() == '"' ? quoted : "\"" + quoted + "\"";
}

constexpr std::int64_t kBusyPollMax = 1'000'000;  // a second: for ever, for all that a packet knows

// Walks the file's table and fills a DaemonConfig; what does not fit becomes a problem with its line.
class ConfigReader {
 public:
  ConfigReader(const std::filesystem::path& directory, ParsedConfig& out) : directory_(directory), out_(out) {}

  void read(const toml::table& root) {
    DaemonConfig& config = out_.config;
    read_table(
        root, "",
        {
            {"listen", [&](const toml::node& node) { read_listen(node); }},
            {"tap", [&](const toml::node& node) { read_link_name(node, config.tap); }},
            {"bridge", [&](const toml::node& node) { read_link_name(node, config.bridge); }},
            {"endpoints", [&](const toml::node& node) { read_endpoints(node); }},
            {"bootstrap", [&](const toml::node& node) { read_bootstrap(node); }},
            {"credential", [&](const toml::node& node) { read_credential(node); }},
            {"log_level", [&](const toml::node& node) { read_log_level(node); }},
            {"replay", [&](const toml::node& node) { read_replay(node); }},
            {"nice", [&](const toml::node& node) { read_integer(node, "a nice value", -20, 19, config.nice); }},
            {"realtime", [&](const toml::node& node) { read_boolean(node, config.realtime); }},
            {"busy_poll",
             [&](const toml::node& node) {
               read_integer(node, "a time in microseconds", 0, kBusyPollMax, config.busy_poll_us);
             }},
            {"workers",
             [&](const toml::node& node) { read_integer(node, "a number of threads", 0, kShards, config.workers); }},
            {"offload_tap", [&](const toml::node& node) { read_boolean(node, config.offload_tap); }},
            {"offload_udp", [&](const toml::node& node) { read_boolean(node, config.offload_udp); }},
            {"pack", [&](const toml::node& node) { read_boolean(node, config.pack); }},
            {"metrics", [&](const toml::node& node) { read_metrics(node); }},
            {"control", [&](const toml::node& node) { read_control(node); }},
        });
  }

 private:
  struct Key {
    std::string_view name;
    std::function<void(const toml::node&)> read;
  };

  void report(const toml::source_region& where, std::string text) {
    out_.problems.push_back({where.begin.line, std::move(text)});
  }

  void read_table(const toml::table& table, std::string_view prefix, const std::vector<Key>& keys) {
    for (const auto& [key, node] : table) {
      const auto known =
          std::find_if(keys.begin(), keys.end(), [&](const Key& each) { return each.name == key.str(); });
      if (known == keys.end()) {
        report_unknown(key, prefix, keys);
        continue;
      }
      path_ = std::string{prefix} + std::string{key.str()};
      known->read(node);
    }
  }

  void report_unknown(const toml::key& key, std::string_view prefix, const std::vector<Key>& keys) {
    std::vector<std::string_view> names;
    for (const Key& each : keys) names.push_back(each.name);
    std::string text = "unknown key " + quote(std::string{prefix} + std::string{key.str()});
    const std::string_view nearest = find_nearest(key.str(), names);
    if (!nearest.empty()) text += "; did you mean " + quote(std::string{prefix} + std::string{nearest}) + "?";
    report(key.source(), std::move(text));
  }

  void report_type(const toml::node& node, std::string_view wanted) {
    report(node.source(), path_ + " must be " + std::string{wanted} + ", not " + std::string{describe(node.type())});
  }

  void report_value(const toml::node& node, std::string_view value, std::string_view wanted) {
    report(node.source(), path_ + ": " + quote(value) + " is not " + std::string{wanted});
  }

  std::optional<std::string> read_string(const toml::node& node) {
    const auto* value = node.as_string();
    if (value == nullptr) {
      report_type(node, "a string");
      return std::nullopt;
    }
    return value->get();
  }

  void read_listen(const toml::node& node) {
    if (const auto* number = node.as_integer()) {
      const std::string text = std::to_string(number->get());
      const auto listen = parse_listen_address(text);
      if (!listen) return report_value(node, text, "a port from 1 to 65535");
      out_.config.listen = *listen;
      return;
    }
    if (!node.is_string()) return report_type(node, "a port or a string");
    const std::string text = node.as_string()->get();
    const auto listen = parse_listen_address(text);
    if (!listen) return report_value(node, text, "a port or ADDRESS:PORT");
    out_.config.listen = *listen;
  }

  void read_link_name(const toml::node& node, std::string& to) {
    const auto text = read_string(node);
    if (!text) return;
    if (!is_link_name(*text)) return report_value(node, *text, "a link's name (1 to 15 characters)");
    to = *text;
  }

  template <typename Read>
  void read_list(const toml::node& node, std::size_t count_max, const Read& read) {
    const auto* list = node.as_array();
    if (list == nullptr) return report_type(node, "a list of strings");
    if (list->size() > count_max) {
      return report(node.source(), path_ + " has more than " + std::to_string(count_max) + " entries");
    }
    for (const toml::node& entry : *list) {
      if (const auto text = read_string(entry)) read(entry, *text);
    }
  }

  void read_endpoints(const toml::node& node) {
    constexpr std::size_t kEndpointsInRecord = 8;  // docs/protocol.md §6.2
    read_list(node, kEndpointsInRecord, [&](const toml::node& entry, const std::string& text) {
      const auto endpoint = parse_endpoint(text, kDefaultPort);
      if (!endpoint || endpoint->address.is_unspecified() || endpoint->address.is_multicast()) {
        return report_value(entry, text, "an address by which others reach this node, ADDRESS:PORT");
      }
      out_.config.endpoints.push_back(*endpoint);
    });
  }

  void read_bootstrap(const toml::node& node) {
    constexpr std::size_t kBootstrapMax = 64;  // each is resolved and asked in turn
    read_list(node, kBootstrapMax, [&](const toml::node& entry, const std::string& text) {
      const auto host_port = parse_host_port(text);
      if (!host_port) return report_value(entry, text, "HOST:PORT");
      out_.config.bootstrap.push_back(*host_port);
    });
  }

  void read_credential(const toml::node& node) {
    const auto text = read_string(node);
    if (!text) return;
    if (text->empty()) return report_value(node, *text, "a file");
    out_.config.credential = directory_ / *text;  // an absolute path replaces the directory
  }

  void read_log_level(const toml::node& node) {
    const auto text = read_string(node);
    if (!text) return;
    const auto level = parse_log_level(*text);
    if (!level) return report_value(node, *text, "one of " + std::string{kLogLevels});
    out_.config.log_level = *level;
  }

  void read_metrics(const toml::node& node) {
    std::string text;
    if (const auto* number = node.as_integer()) {
      text = std::to_string(number->get());
    } else if (const auto* value = node.as_string()) {
      text = value->get();
    } else {
      return report_type(node, "a port or a string");
    }
    const auto address = parse_metrics_address(text);
    if (!address) return report_value(node, text, "a port, ADDRESS:PORT or unix:/PATH");
    out_.config.metrics = *address;
  }

  void read_replay(const toml::node& node) {
    const auto text = read_string(node);
    if (!text) return;
    if (*text == "exact") {
      out_.config.replay = Replay::Exact;
    } else if (*text == "at-least-once") {
      out_.config.replay = Replay::AtLeastOnce;
    } else if (*text == "off") {
      out_.config.replay = Replay::Off;
    } else {
      report_value(node, *text, "one of " + std::string{kReplayModes});
    }
  }

  void read_integer(const toml::node& node, std::string_view what, std::int64_t min, std::int64_t max, int& to) {
    const auto* number = node.as_integer();
    if (number == nullptr) return report_type(node, "an integer");
    if (number->get() < min || number->get() > max) {
      return report_value(node, std::to_string(number->get()),
                          std::string{what} + " from " + std::to_string(min) + " to " + std::to_string(max));
    }
    to = static_cast<int>(number->get());
  }

  void read_boolean(const toml::node& node, bool& to) {
    const auto* value = node.as_boolean();
    if (value == nullptr) return report_type(node, "true or false");
    to = value->get();
  }

  void read_control(const toml::node& node) {
    const auto* table = node.as_table();
    if (table == nullptr) return report_type(node, "a table");
    read_table(
        *table, "control.",
        {
            {"group", [&](const toml::node& value) { read_group(value); }},
            {"group_may_claim", [&](const toml::node& value) { read_boolean(value, out_.config.group_may_claim); }},
        });
  }

  void read_group(const toml::node& node) {
    const auto text = read_string(node);
    if (!text) return;
    if (!is_group_name(*text)) return report_value(node, *text, "a group's name");
    out_.config.control_group = *text;
  }

  const std::filesystem::path& directory_;
  ParsedConfig& out_;
  std::string path_;  // of the key that is being read, for messages
};

}  // namespace

ParsedConfig parse_config(std::string_view text, const std::filesystem::path& directory,
                          const std::filesystem::path& credential) {
  ParsedConfig parsed;
  parsed.config.credential = credential;
  try {
    ConfigReader{directory, parsed}.read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    parsed.problems.push_back({error.source().begin.line, std::string{error.description()}});
  }
  // toml++ gives a table's keys in the order of their names; a reader of the file wants its lines in order.
  std::sort(parsed.problems.begin(), parsed.problems.end(), [](const ConfigProblem& a, const ConfigProblem& b) {
    return std::tie(a.line, a.text) < std::tie(b.line, b.text);
  });
  return parsed;
}

DaemonConfig load_config(const std::filesystem::path& file, const std::filesystem::path& credential) {
  std::optional<std::string> text;
  try {
    text = read_file(file);
  } catch (const std::exception& error) {
    throw Failure(ExitStatus::Usage, "configuration", error.what());
  }
  if (!text) {
    throw Failure(ExitStatus::Usage, file.string(), "no such configuration file",
                  "rove join FILE, or --config FILE for a file elsewhere");
  }
  ParsedConfig parsed = parse_config(*text, file.parent_path(), credential);
  if (parsed.problems.empty()) return std::move(parsed.config);
  std::string all;
  for (const ConfigProblem& problem : parsed.problems) {
    if (!all.empty()) all += "\nrove: ";
    all += file.string() + ":" + std::to_string(problem.line) + ": " + problem.text;
  }
  throw Failure(ExitStatus::Usage, all, "");
}

std::string config_template(std::string_view network, std::string_view credential_file_name) {
  std::ostringstream out;
  out << "# rove network " << network << ": this node's configuration. `rove check` validates it.\n"
      << "# A key that is commented out shows its default or, where it has none, an example.\n\n"
      << "# Certificate and keys of this node, relative to this file.\n"
      << "credential = \"" << credential_file_name << "\"\n\n"
      << "# UDP port, on every address of both families; or \"ADDRESS:PORT\".\n"
      << "#listen = " << kDefaultPort << "\n\n"
      << "# The bridge of this host's VMs; created when it does not exist. No default: without it the TAP stays "
         "alone.\n"
      << "#bridge = \"br0\"\n\n"
      << "# rove's TAP device in that bridge.\n"
      << "#tap = \"rove0\"\n\n"
      << "# Where other nodes reach this one. Without it: this host's addresses and the port above.\n"
      << "#endpoints = [\"203.0.113.7:" << kDefaultPort << "\"]\n\n"
      << "# Nodes to ask first, HOST:PORT. Without it: those of the enrolment file.\n"
      << "#bootstrap = [\"node.example.org:" << kDefaultPort << "\"]\n\n"
      << "# " << kLogLevels << "\n"
      << "#log_level = \"info\"\n\n"
      << "# Frames that came for a VM while it was paused to move: sent after it (\"exact\"; needs CAP_NET_RAW), "
         "rather\n"
         "# twice than never (\"at-least-once\"), or lost as on a switch (\"off\").\n"
      << "#replay = \"exact\"\n\n"
      << "# How soon the daemon gets a processor, -20 (soonest) to 19. VMs wait for its frames; below 0 needs "
         "CAP_SYS_NICE.\n"
      << "#nice = -10\n\n"
      << "# The thread that moves packets goes before all ordinary ones (SCHED_FIFO). Needs CAP_SYS_NICE.\n"
      << "#realtime = true\n\n"
      << "# It goes on looking for packets for so many microseconds before it sleeps: shorter round trips, for a "
         "processor.\n"
      << "#busy_poll = 0\n\n"
      << "# Threads that move packets, 1 to " << kShards
      << ", each with its share of the VMs; more than one needs "
         "CAP_BPF.\n# 0: one for four processors, 4 at most.\n"
      << "#workers = 0\n\n"
      << "# Large TCP and UDP packets and unfinished checksums between the TAP and this host's kernel; batches of\n"
         "# datagrams that it cuts and joins; several small frames in one datagram.\n"
      << "#offload_tap = true\n"
      << "#offload_udp = true\n"
      << "#pack = true\n\n"
      << "# Prometheus metrics at /metrics, and /health: an address of this host alone, or \"unix:/PATH\". No default: "
         "off.\n"
      << "#metrics = \"127.0.0.1:9683\"\n\n"
      << "[control]\n"
      << "# Members of this group may read through the control socket…\n"
      << "#group = \"rove\"\n"
      << "# … and, if true, use `rove claim` and `rove release`.\n"
      << "#group_may_claim = false\n";
  return out.str();
}

}  // namespace rove
