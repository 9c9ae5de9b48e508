// How checks say what they found.
#pragma once

#include <string>
#include <utility>

#include "cli/doctor/finding.h"

namespace rove {

class FindingList {
 public:
  void ok(std::string check, std::string text) { add(Severity::Ok, std::move(check), std::move(text), {}); }
  void warn(std::string check, std::string text, std::string remedy) {
    add(Severity::Warn, std::move(check), std::move(text), std::move(remedy));
  }
  void fail(std::string check, std::string text, std::string remedy) {
    add(Severity::Fail, std::move(check), std::move(text), std::move(remedy));
  }
  [[nodiscard]] bool has(std::string_view check) const {
    for (const Finding& finding : findings_) {
      if (finding.check == check) return true;
    }
    return false;
  }
  [[nodiscard]] Findings take() { return std::move(findings_); }

 private:
  void add(Severity severity, std::string check, std::string text, std::string remedy) {
    findings_.push_back({severity, std::move(check), std::move(text), std::move(remedy)});
  }

  Findings findings_;
};

}  // namespace rove
