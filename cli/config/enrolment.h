// Making networks and nodes: what `rove init`, `enroll` and `join` do with files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/base/paths.h"
#include "cli/command/arguments.h"
#include "cli/config/config.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/identity/authority.h"
#include "core/identity/certificate.h"
#include "core/identity/credential.h"

namespace rove {

// A credential that has been parsed and found consistent. Says nothing about time: see verify_credential().
struct NodeCredential {
  Credential credential;
  TrustAnchor anchor;
  Certificate certificate;
};

// Throws Failure (Usage): no such file, open to others (unless a service manager guards it), not a credential.
[[nodiscard]] NodeCredential load_credential(const std::filesystem::path& file, KeyGuard guard = KeyGuard::Mode);
// Throws Failure (Usage) when the CA does not vouch for the certificate now: expired, not valid yet.
void verify_credential(const NodeCredential& credential, const std::filesystem::path& file, WallTime now);

// The CA's file: its key and certificate, and what every node of the network has in common. Secret.
struct AuthorityFile {
  Authority authority;
  NetworkSettings network;
};
[[nodiscard]] std::string encode_authority_file(const Authority& authority, const NetworkSettings& network);
// Throws Failure (Usage): no such file, open to others, not an authority file.
[[nodiscard]] AuthorityFile load_authority(const std::filesystem::path& file, const std::string& network);

struct Enrolment {
  std::string network;
  NetworkId network_id;
  std::string node;
  NodeId node_id;
  std::vector<Prefix> prefixes;
  WallTime not_after{};
  std::vector<std::filesystem::path> files;  // that were written
};

// Creates the CA, the network key and the first node. Throws Failure: Conflict when any of the files exists.
Enrolment create_network(const std::string& network, const InitCommand& command, const Paths& paths, WallTime now,
                         Random& random);
// Makes a node's enrolment file. Throws Failure: Usage without a CA here or with prefixes or a lifetime that
// exceed it, Conflict when the output exists.
Enrolment enroll_node(const std::string& network, const EnrollCommand& command, const Paths& paths, WallTime now,
                      Random& random);
// Installs an enrolment file: the credential, and a configuration unless there is one. Throws Failure: Conflict
// when another credential for the same network is installed, and command.replace is not set.
Enrolment join_network(const JoinCommand& command, const Paths& paths, WallTime now);

// A node's name made of a host's: "Host-3.example.org" → "host-3". Empty when nothing usable is left.
[[nodiscard]] std::string node_name_of(std::string_view host_name);

}  // namespace rove
