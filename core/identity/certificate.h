// X.509 certificates with RFC 3779 address blocks: who a node is and which prefixes its VMs may claim.
#pragma once

#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"

namespace rove {

inline constexpr std::size_t kCertificateSizeMax = 2048;  // one of a node with a few prefixes has 400 octets

// A parsed node certificate. Immutable; parsing proves nothing, TrustAnchor::verify does.
class Certificate {
 public:
  // Errors: TooLarge (> kCertificateSizeMax), Malformed, NotAllowed (an unknown critical extension, CA:TRUE, or a
  // key usage without digitalSignature), WeakKey (not Ed25519, or a key that does not convert to X25519).
  [[nodiscard]] static Result<Certificate> parse(BytesView der);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const NodeKey& key() const { return key_; }
  [[nodiscard]] const NodeId& id() const { return id_; }
  // The fewest that make up the allowed addresses, sorted.
  [[nodiscard]] const std::vector<Prefix>& prefixes() const { return prefixes_; }
  [[nodiscard]] bool allows(const IpAddress& ip) const;
  [[nodiscard]] bool allows_all(const std::vector<IpAddress>& ips) const;
  [[nodiscard]] WallTime not_before() const { return not_before_; }
  [[nodiscard]] WallTime not_after() const { return not_after_; }
  [[nodiscard]] const Bytes& der() const { return der_; }

 private:
  std::string name_;
  NodeKey key_;
  NodeId id_;
  std::vector<Prefix> prefixes_;
  WallTime not_before_{};
  WallTime not_after_{};
  Bytes der_;
};

// The network's CA, as every node knows it.
class TrustAnchor {
 public:
  // Errors: those of Certificate::parse; here CA:FALSE, or a key usage without keyCertSign, is NotAllowed. The
  // network's name is O of the subject. The CA is trusted because the operator gave it: its own signature, which
  // may be another authority's, is not looked at.
  [[nodiscard]] static Result<TrustAnchor> parse(BytesView ca_der);

  [[nodiscard]] const NetworkId& network_id() const { return network_id_; }
  [[nodiscard]] const std::string& network_name() const { return network_name_; }
  [[nodiscard]] const NodeKey& key() const { return key_; }
  [[nodiscard]] const std::vector<Prefix>& prefixes() const { return prefixes_; }
  [[nodiscard]] const Bytes& der() const { return der_; }

  [[nodiscard]] WallTime not_before() const { return not_before_; }
  [[nodiscard]] WallTime not_after() const { return not_after_; }

  // Errors: BadSignature, NotYetValid, Expired (the certificate or the CA), NotAllowed (its prefixes exceed the
  // CA's).
  [[nodiscard]] Result<void> verify(const Certificate& certificate, WallTime now) const;
  // The same without the times: for files that are read long before they are used.
  [[nodiscard]] Result<void> verify_issuer(const Certificate& certificate) const;

 private:
  NodeKey key_;
  NetworkId network_id_;
  std::string network_name_;
  std::vector<Prefix> prefixes_;
  WallTime not_before_{};
  WallTime not_after_{};
  Bytes der_;
};

}  // namespace rove
