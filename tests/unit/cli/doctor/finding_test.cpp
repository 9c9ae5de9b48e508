#include "cli/doctor/finding.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

const Findings kFindings{
    {Severity::Ok, "config", "it is valid", ""},
    {Severity::Warn, "clock", "nobody keeps it", "timedatectl set-ntp true"},
    {Severity::Fail, "tap", "rove0 is down", "ip link set dev rove0 up"},
};

}  // namespace

TEST_CASE("findings: a line each, with what mends it") {
  CHECK(render_findings(kFindings, {.terminal = false, .color = false}) ==
        "STATE\tCHECK\tFOUND\tTRY\n"
        "ok\tconfig\tit is valid\t-\n"
        "warn\tclock\tnobody keeps it\ttimedatectl set-ntp true\n"
        "fail\ttap\trove0 is down\tip link set dev rove0 up\n");
}

TEST_CASE("findings: the JSON counts what is wrong") {
  CHECK(report_findings("demo", true, kFindings) ==
        R"({"schema":1,"network":"demo","daemon":true,"failed":1,"warned":1,"findings":[)"
        R"({"state":"ok","check":"config","found":"it is valid","try":null},)"
        R"({"state":"warn","check":"clock","found":"nobody keeps it","try":"timedatectl set-ntp true"},)"
        R"({"state":"fail","check":"tap","found":"rove0 is down","try":"ip link set dev rove0 up"}]})");
}

}  // namespace rove
