#include "cli/control/control_protocol.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace rove {
namespace {

using Json = nlohmann::ordered_json;  // keeps the order in which fields were written

constexpr std::array<std::pair<ControlVerb, std::string_view>, kControlVerbs> kVerbs{{
    {ControlVerb::Status, "status"},
    {ControlVerb::Peers, "peers"},
    {ControlVerb::Vms, "vms"},
    {ControlVerb::Info, "info"},
    {ControlVerb::Lookup, "lookup"},
    {ControlVerb::Ping, "ping"},
    {ControlVerb::Timeline, "timeline"},
    {ControlVerb::Watch, "watch"},
    {ControlVerb::Claim, "claim"},
    {ControlVerb::Release, "release"},
    {ControlVerb::Prepare, "prepare"},
    {ControlVerb::Stopped, "stopped"},
    {ControlVerb::LogLevel, "log-level"},
    {ControlVerb::Reload, "reload"},
    {ControlVerb::Down, "down"},
}};

std::optional<ControlVerb> parse_verb(std::string_view text) {
  for (const auto& [verb, name] : kVerbs) {
    if (name == text) return verb;
  }
  return std::nullopt;
}

// A parsed object; anything else, and text that is not JSON or not UTF-8, is nullopt.
std::optional<Json> parse_object(std::string_view line) {
  Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  return object;
}

std::string text_field(const Json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : std::string{};
}

// Strings that a peer chose may be no UTF-8: they are mended, never a reason to throw.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Reads the arguments of one request. Each read_ takes its argument out; what remains is unknown.
class ArgumentReader {
 public:
  explicit ArgumentReader(Json arguments) : arguments_(std::move(arguments)) {}

  void read_address(VmAddress& to) {
    const auto address = parse_vm_address(take_string("address"));
    if (!address) return complain("address must be an IP or a MAC");
    to = *address;
  }

  void read_mac(MacAddress& to) {
    const auto mac = parse_mac(take_string("mac"));
    if (!mac) return complain("mac must be a MAC address");
    to = *mac;
  }

  void read_ips(std::vector<IpAddress>& to) {
    const Json list = take("ips");
    if (list.is_null()) return;
    if (!list.is_array()) return complain("ips must be a list");
    for (const Json& entry : list) {
      const auto ip = entry.is_string() ? parse_ip(entry.get_ref<const std::string&>()) : std::nullopt;
      if (!ip) return complain("ips must hold IP addresses");
      to.push_back(*ip);
    }
  }

  void read_log_level(std::optional<LogLevel>& to) {
    const Json text = take("level");
    if (text.is_null()) return;
    if (text.is_string()) to = parse_log_level(text.get_ref<const std::string&>());
    if (!to) complain("level must be one of " + std::string{kLogLevels});
  }

  void read_count(const char* name, std::optional<std::uint64_t>& to) {
    const Json count = take(name);
    if (count.is_null()) return;
    if (!count.is_number_unsigned()) return complain(std::string{name} + " must be a count");
    to = count.get<std::uint64_t>();
  }

  void read_flag(const char* name, bool& to) {
    const Json flag = take(name);
    if (flag.is_null()) return;
    if (!flag.is_boolean()) return complain(std::string{name} + " must be true or false");
    to = flag.get<bool>();
  }

  void read_text(const char* name, std::string& to) {
    const Json text = take(name);
    if (text.is_null()) return;
    if (!text.is_string()) return complain(std::string{name} + " must be a text");
    to = text.get<std::string>();
  }

  void read_target(std::string& to) {
    to = take_string("target");
    if (to.empty()) complain("target must be a name, an id or an address");
  }

  // The first complaint, or about an argument that nobody took; empty when all is well.
  [[nodiscard]] std::string finish() {
    if (error_.empty() && !arguments_.empty()) complain("unknown argument");
    return error_;
  }

 private:
  Json take(const char* name) {
    const auto field = arguments_.find(name);
    if (field == arguments_.end()) return nullptr;
    Json value = std::move(*field);
    arguments_.erase(field);
    return value;
  }

  std::string take_string(const char* name) {
    const Json value = take(name);
    return value.is_string() ? value.get<std::string>() : std::string{};
  }

  void complain(std::string error) {
    if (error_.empty()) error_ = std::move(error);
  }

  Json arguments_;
  std::string error_;
};

}  // namespace

std::string_view to_string(ControlVerb verb) {
  for (const auto& [value, name] : kVerbs) {
    if (value == verb) return name;
  }
  return "unknown";
}

std::string encode_request(const ControlRequest& request) {
  Json arguments = Json::object();
  if (request.verb == ControlVerb::Lookup || request.verb == ControlVerb::Timeline ||
      request.verb == ControlVerb::Prepare) {
    arguments["address"] = to_string(request.address);
  }
  if (request.verb == ControlVerb::Prepare && !request.port.empty()) arguments["port"] = request.port;
  if (request.verb == ControlVerb::Lookup && request.refresh) arguments["refresh"] = true;
  if (request.verb == ControlVerb::Lookup && request.trace) arguments["trace"] = true;
  if (request.verb == ControlVerb::Info || request.verb == ControlVerb::Ping) arguments["target"] = request.target;
  if (request.verb == ControlVerb::Ping && request.timeout_ms) arguments["timeout_ms"] = *request.timeout_ms;
  if (request.verb == ControlVerb::Claim || request.verb == ControlVerb::Release ||
      request.verb == ControlVerb::Stopped) {
    arguments["mac"] = to_string(request.mac);
  }
  if (request.verb == ControlVerb::Claim) {
    Json ips = Json::array();
    for (const IpAddress& ip : request.ips) ips.push_back(to_string(ip));
    arguments["ips"] = std::move(ips);
  }
  if (request.verb == ControlVerb::Stopped && request.delivered) arguments["delivered"] = *request.delivered;
  if (request.verb == ControlVerb::LogLevel && request.log_level) arguments["level"] = to_string(*request.log_level);
  Json object = Json::object();
  object["verb"] = to_string(request.verb);
  object["args"] = std::move(arguments);
  return dump(object);
}

DecodedRequest decode_request(std::string_view line) {
  auto object = parse_object(line);
  if (!object) return {std::nullopt, "not a JSON object"};
  const auto verb = parse_verb(text_field(*object, "verb"));
  if (!verb) return {std::nullopt, "unknown verb"};
  Json arguments = Json::object();
  for (auto& [name, value] : object->items()) {
    if (name == "verb") continue;
    if (name != "args") return {std::nullopt, "unknown field"};
    if (!value.is_object()) return {std::nullopt, "args must be an object"};
    arguments = std::move(value);
  }

  ControlRequest request{.verb = *verb, .address = {}, .refresh = false, .mac = {}, .ips = {}, .port = {}};
  ArgumentReader reader{std::move(arguments)};
  switch (*verb) {
    case ControlVerb::Status:
    case ControlVerb::Peers:
    case ControlVerb::Vms:
    case ControlVerb::Watch:
    case ControlVerb::Reload:
    case ControlVerb::Down: break;
    case ControlVerb::LogLevel: reader.read_log_level(request.log_level); break;
    case ControlVerb::Lookup:
      reader.read_address(request.address);
      reader.read_flag("refresh", request.refresh);
      reader.read_flag("trace", request.trace);
      break;
    case ControlVerb::Info: reader.read_target(request.target); break;
    case ControlVerb::Ping:
      reader.read_target(request.target);
      reader.read_count("timeout_ms", request.timeout_ms);
      break;
    case ControlVerb::Timeline: reader.read_address(request.address); break;
    case ControlVerb::Prepare:
      reader.read_address(request.address);
      reader.read_text("port", request.port);
      break;
    case ControlVerb::Claim:
      reader.read_mac(request.mac);
      reader.read_ips(request.ips);
      break;
    case ControlVerb::Release: reader.read_mac(request.mac); break;
    case ControlVerb::Stopped:
      reader.read_mac(request.mac);
      reader.read_count("delivered", request.delivered);
      break;
  }
  std::string error = reader.finish();
  if (!error.empty()) return {std::nullopt, std::move(error)};
  return {std::move(request), {}};
}

std::string encode_response(const ControlResponse& response) {
  Json object = Json::object();
  object["ok"] = response.status == ExitStatus::Ok;
  if (response.status != ExitStatus::Ok) {
    object["status"] = static_cast<int>(response.status);
    object["what"] = response.what;
    object["why"] = response.why;
    object["next"] = response.next;
  }
  std::string line = dump(object);
  // `data` is JSON already: it goes in as it is.
  if (!response.data.empty()) line.insert(line.size() - 1, ",\"data\":" + response.data);
  return line;
}

std::string encode_data(std::string data) {
  return encode_response({.status = ExitStatus::Ok, .data = std::move(data), .what = {}, .why = {}, .next = {}});
}

std::optional<ControlResponse> decode_response(std::string_view line) {
  const auto object = parse_object(line);
  if (!object) return std::nullopt;
  const auto ok = object->find("ok");
  if (ok == object->end() || !ok->is_boolean()) return std::nullopt;
  ControlResponse response;
  if (!ok->get<bool>()) {
    const auto field = object->find("status");
    if (field == object->end() || !field->is_number_integer()) return std::nullopt;
    const auto status = field->get<std::int64_t>();
    if (status < 1 || status > static_cast<int>(ExitStatus::NotRunning)) return std::nullopt;
    response.status = static_cast<ExitStatus>(status);
    response.what = text_field(*object, "what");
    response.why = text_field(*object, "why");
    response.next = text_field(*object, "next");
  }
  if (const auto data = object->find("data"); data != object->end()) {
    if (!data->is_object()) return std::nullopt;
    response.data = dump(*data);
  } else if (response.status == ExitStatus::Ok) {
    return std::nullopt;
  }
  return response;
}

}  // namespace rove
