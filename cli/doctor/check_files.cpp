#include "cli/base/table.h"
#include "cli/doctor/checks.h"
#include "cli/doctor/finding_list.h"
#include "cli/doctor/remedies.h"

namespace rove {
namespace {

std::string age_of(std::chrono::seconds seconds) {
  return format_age(std::chrono::milliseconds{seconds}.count());
}

std::string renewal_of(const std::string& network, const std::string& node) {
  return "on the CA's machine: rove enroll " + node + " -n " + network + " -o " + node + ".rove; here: rove join " +
         node + ".rove --replace && " + restart_of(network);
}

void check_config(const ConfigFacts& config, FindingList& found) {
  if (!config.problem.text.empty()) {
    found.fail("config", config.problem.text, config.problem.remedy);
  } else if (config.others_may_write) {
    found.fail("config", "others may write to " + config.file.string(), "chmod 644 " + config.file.string());
  } else {
    found.ok("config", config.file.string() + " is valid");
  }
}

void check_authority(const CredentialFacts& credential, FindingList& found) {
  const std::string file = credential.authority_file.string();
  if (credential.authority_open) found.fail("ca", "others may read the CA's key in " + file, "chmod 600 " + file);
}

void check_validity(const Facts& facts, const CertificateFacts& certificate, FindingList& found) {
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(certificate.not_after - facts.now);
  const auto authority_left =
      std::chrono::duration_cast<std::chrono::seconds>(certificate.authority_not_after - facts.now);
  if (certificate.not_before > facts.now) {
    const auto early = std::chrono::duration_cast<std::chrono::seconds>(certificate.not_before - facts.now);
    found.fail("certificate", "it begins in " + age_of(early) + ": this host's clock is behind",
               "timedatectl set-ntp true");
  } else if (authority_left.count() <= 0) {
    found.fail("certificate",
               "the CA's certificate expired " + age_of(-authority_left) + " ago: nothing it signed counts",
               "a new network: rove init");
  } else if (left.count() <= 0) {
    found.fail("certificate", "expired " + age_of(-left) + " ago: peers refuse this node",
               renewal_of(facts.network, certificate.node));
  } else if (left < kCertificateWarning) {
    found.warn("certificate", "expires in " + age_of(left), renewal_of(facts.network, certificate.node));
  } else {
    found.ok("certificate", "node " + certificate.node + ", expires in " + age_of(left));
  }
}

// The daemon goes on with the one that it read at its start.
void check_renewal(const Facts& facts, const CertificateFacts& certificate, FindingList& found) {
  constexpr std::chrono::minutes kSame{1};  // both are rounded, and asked for one after the other
  if (!facts.daemon || !facts.daemon->certificate_expires_in_s) return;
  const WallTime running = facts.now + std::chrono::seconds{*facts.daemon->certificate_expires_in_s};
  if (certificate.not_after - running <= kSame) return;
  found.warn("renewal", "the daemon still uses the certificate from before the last rove join",
             restart_of(facts.network));
}

// Of the daemon alone, when its file is not for this user.
void check_running_certificate(const Facts& facts, FindingList& found) {
  if (!facts.daemon || !facts.daemon->certificate_expires_in_s) return;
  CertificateFacts certificate{.node = facts.daemon->node,
                               .not_before = {},
                               .not_after = facts.now + std::chrono::seconds{*facts.daemon->certificate_expires_in_s},
                               .authority_not_after = WallTime::max()};
  check_validity(facts, certificate, found);
}

}  // namespace

Findings check_files(const Facts& facts) {
  FindingList found;
  check_config(facts.config, found);
  const CredentialFacts& credential = facts.credential;
  if (credential.is_unreadable) {
    found.warn("credential", credential.file.string() + " is not for this user: not looked at",
               "the same command as root");
    check_running_certificate(facts, found);
  } else if (!credential.problem.text.empty()) {
    found.fail("credential", credential.problem.text, credential.problem.remedy);
  } else {
    found.ok("credential", credential.file.string() + " is for its owner only");
  }
  if (credential.certificate) {
    check_validity(facts, *credential.certificate, found);
    check_renewal(facts, *credential.certificate, found);
  }
  check_authority(credential, found);
  return found.take();
}

}  // namespace rove
