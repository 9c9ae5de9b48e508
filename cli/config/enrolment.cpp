#include "cli/config/enrolment.h"

#include <algorithm>
#include <utility>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/config/config.h"
#include "core/identity/name.h"
#include "core/identity/pem.h"

namespace rove {
namespace {

constexpr std::string_view kPemNetwork = "ROVE NETWORK";  // docs/protocol.md §7
constexpr mode_t kSecretMode = 0600;
constexpr mode_t kPublicMode = 0644;
// Certificates begin a day early: the clocks of hosts differ, and some have none that outlives the power.
constexpr std::chrono::hours kBackdated{24};
constexpr std::chrono::hours kAuthorityLifetime{20 * 365 * 24};

Validity validity_from(WallTime now, std::chrono::seconds lifetime) {
  return {now - kBackdated, now + lifetime};
}

template <typename T>
T value_or_fail(Result<T> result, const std::string& what, const std::string& next = {}) {
  if (!result) throw Failure(ExitStatus::Usage, what, result.error().message(), next);
  return std::move(*result);
}

std::string read_secret(const std::filesystem::path& file, KeyGuard guard, const std::string& what,
                        const std::string& next) {
  const auto text = read_file(file);
  if (!text) throw Failure(ExitStatus::Usage, what, "no such file: " + file.string(), next);
  if (guard == KeyGuard::Mode && is_open_to_others(file)) {
    throw Failure(ExitStatus::Usage, what, file.string() + " holds a key, and others may read it",
                  "chmod 600 " + file.string());
  }
  return *text;
}

NodeCredential parse_node_credential(std::string_view text, const std::string& what) {
  const std::string next = "rove enroll on the CA's machine, for a new file";
  Credential credential = value_or_fail(parse_credential(text), what, next);
  TrustAnchor anchor = value_or_fail(TrustAnchor::parse(credential.ca_der), what, next);
  Certificate certificate = value_or_fail(Certificate::parse(credential.certificate_der), what, next);
  return {std::move(credential), std::move(anchor), std::move(certificate)};
}

void create_or_conflict(const std::filesystem::path& file, std::string_view contents, mode_t mode,
                        const std::string& what) {
  if (!create_file(file, contents, mode)) {
    throw Failure(ExitStatus::Conflict, what, file.string() + " exists; it is not overwritten");
  }
}

std::string file_name(const std::filesystem::path& path) {
  return path.filename().string();
}

NetworkSettings clone(const NetworkSettings& network) {
  return {.name = network.name,
          .key = network.key.clone(),
          .subnets = network.subnets,
          .inner_mtu = network.inner_mtu,
          .bootstrap = network.bootstrap};
}

// A new key pair for `node`, certified by the CA.
NodeCredential make_credential(const Authority& authority, NetworkSettings network, const std::string& node,
                               const std::vector<Prefix>& prefixes, const Validity& validity, Random& random,
                               const std::string& what) {
  SigningSeed seed = SigningSeed::generate(random);
  Bytes der = value_or_fail(authority.issue(node, node_key_of(seed), prefixes, validity, random), what,
                            "--allow within the network's subnets, and --expires before the CA's end");
  Certificate certificate = value_or_fail(Certificate::parse(der), what);
  Credential credential{.ca_der = authority.anchor().der(),
                        .certificate_der = std::move(der),
                        .seed = std::move(seed),
                        .network = std::move(network)};
  return {std::move(credential), authority.anchor(), std::move(certificate)};
}

Enrolment describe(const NodeCredential& credential, std::vector<std::filesystem::path> files) {
  return {.network = credential.credential.network.name,
          .network_id = credential.anchor.network_id(),
          .node = credential.certificate.name(),
          .node_id = credential.certificate.id(),
          .prefixes = credential.certificate.prefixes(),
          .not_after = credential.certificate.not_after(),
          .files = std::move(files)};
}

std::vector<std::string> to_texts(const std::vector<HostPort>& bootstrap) {
  std::vector<std::string> texts;
  for (const HostPort& host_port : bootstrap) texts.push_back(to_string(host_port));
  return texts;
}

}  // namespace

NodeCredential load_credential(const std::filesystem::path& file, KeyGuard guard) {
  const std::string what = "credential " + file.string();
  return parse_node_credential(read_secret(file, guard, what, "rove join FILE"), what);
}

void verify_credential(const NodeCredential& credential, const std::filesystem::path& file, WallTime now) {
  const auto verified = credential.anchor.verify(credential.certificate, now);
  if (verified) return;
  const bool is_early = verified.error() == make_error_code(Error::NotYetValid);
  throw Failure(ExitStatus::Usage, "credential " + file.string(), "certificate: " + verified.error().message(),
                is_early ? "this host's clock" : "rove enroll on the CA's machine, then rove join --replace");
}

std::string encode_authority_file(const Authority& authority, const NetworkSettings& network) {
  return authority.to_pem() + encode_pem(kPemNetwork, as_bytes(encode_settings(network)));
}

AuthorityFile load_authority(const std::filesystem::path& file, const std::string& network) {
  const std::string what = "CA of network " + network + " in " + file.string();
  const std::string text = read_secret(file, KeyGuard::Mode, what, "rove enroll on the machine where rove init ran");
  std::string authority_pem;
  std::string settings_text;
  for (const PemBlock& block : value_or_fail(parse_pem(text), what)) {
    if (block.label == kPemNetwork) {
      settings_text.assign(block.bytes.begin(), block.bytes.end());
    } else {
      authority_pem += encode_pem(block.label, block.bytes);
    }
  }
  Authority authority = value_or_fail(Authority::from_pem(authority_pem), what);
  NetworkSettings settings = value_or_fail(parse_settings(settings_text), what);
  if (settings.name != authority.anchor().network_name()) {
    throw Failure(ExitStatus::Usage, what, "key and settings belong to different networks");
  }
  return {std::move(authority), std::move(settings)};
}

Enrolment create_network(const std::string& network, const InitCommand& command, const Paths& paths, WallTime now,
                         Random& random) {
  const std::string what = "create network " + network;
  const std::filesystem::path authority_file = paths.authority_file(network);
  const std::filesystem::path credential_file = paths.credential_file(network);
  const std::filesystem::path config_file = paths.config_file(network);
  for (const auto& file : {authority_file, credential_file, config_file}) {
    if (std::filesystem::exists(file)) {
      throw Failure(ExitStatus::Conflict, what, file.string() + " exists; it is not overwritten",
                    "another name, or --config-dir for another directory");
    }
  }

  const Authority authority = value_or_fail(Authority::create(network, command.subnets, SigningSeed::generate(random),
                                                              validity_from(now, kAuthorityLifetime), random),
                                            what, "rove init --help");
  NetworkSettings settings{.name = network,
                           .key = NetworkKey::generate(random),
                           .subnets = command.subnets,
                           .inner_mtu = NetworkSettings{}.inner_mtu,
                           .bootstrap = to_texts(command.bootstrap)};
  if (command.mtu) settings.inner_mtu = *command.mtu;
  const NodeCredential first = make_credential(authority, clone(settings), command.node, command.subnets,
                                               validity_from(now, command.expires), random, what);

  make_directory(paths.config_dir, 0755);
  create_or_conflict(authority_file, encode_authority_file(authority, settings), kSecretMode, what);
  create_or_conflict(credential_file, encode_credential(first.credential), kSecretMode, what);
  create_or_conflict(config_file, config_template(network, file_name(credential_file)), kPublicMode, what);
  return describe(first, {authority_file, credential_file, config_file});
}

Enrolment enroll_node(const std::string& network, const EnrollCommand& command, const Paths& paths, WallTime now,
                      Random& random) {
  const std::string what = "enrol " + command.node;
  AuthorityFile file = load_authority(paths.authority_file(network), network);
  if (!command.bootstrap.empty()) file.network.bootstrap = to_texts(command.bootstrap);
  const std::vector<Prefix> prefixes = command.allow.empty() ? file.network.subnets : command.allow;
  const NodeCredential made = make_credential(file.authority, std::move(file.network), command.node, prefixes,
                                              validity_from(now, command.expires), random, what);
  create_or_conflict(command.output, encode_credential(made.credential), kSecretMode, what);
  return describe(made, {command.output});
}

Enrolment join_network(const JoinCommand& command, const Paths& paths, WallTime now) {
  const std::string what = "join with " + command.file.string();
  const auto text = read_file(command.file);
  if (!text) throw Failure(ExitStatus::Usage, what, "no such file", "rove enroll NODE -o FILE on the CA's machine");
  const NodeCredential credential = parse_node_credential(*text, what);
  verify_credential(credential, command.file, now);

  const std::string& network = credential.credential.network.name;
  const std::filesystem::path credential_file = paths.credential_file(network);
  const std::filesystem::path config_file = paths.config_file(network);
  make_directory(paths.config_dir, 0755);
  const std::string encoded = encode_credential(credential.credential);
  if (command.replace) {
    replace_file(credential_file, encoded, kSecretMode);
  } else if (!create_file(credential_file, encoded, kSecretMode) && read_file(credential_file) != encoded) {
    throw Failure(ExitStatus::Conflict, what, credential_file.string() + " is another credential for this network",
                  "rove join --replace " + command.file.string());
  }
  std::vector<std::filesystem::path> files{credential_file};
  if (create_file(config_file, config_template(network, file_name(credential_file)), kPublicMode)) {
    files.push_back(config_file);
  }
  return describe(credential, std::move(files));
}

std::string node_name_of(std::string_view host_name) {
  std::string name{host_name.substr(0, host_name.find('.'))};
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '-';
  }
  const std::size_t begin = name.find_first_not_of('-');
  if (begin == std::string::npos) return {};
  name = name.substr(begin, name.find_last_not_of('-') - begin + 1);
  return is_valid_name(name) ? name : std::string{};
}

}  // namespace rove
