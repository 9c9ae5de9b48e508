// How soon the daemon gets a processor.
#pragma once

#include <string>

namespace rove {

// Gives this process and the threads that it starts from now on that nice value (−20 … 19, setpriority(2)), and its
// autogroup too if the process leads its session (sched(7), "The autogroup feature": without that the nice value
// counts among the session's own processes only). Returns what was not permitted, empty when all went well.
[[nodiscard]] std::string set_nice(int nice);

}  // namespace rove
