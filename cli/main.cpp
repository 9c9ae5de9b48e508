#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "cli/command/run.h"

int main(int argc, char** argv) {
  const rove::Environment environment = rove::read_environment();
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  rove::Console console{std::cout, std::cerr, {.terminal = is_terminal, .color = is_terminal && !environment.no_color}};
  const std::vector<std::string> arguments{argv + (argc > 0 ? 1 : 0), argv + argc};
  return static_cast<int>(rove::run_command(arguments, environment, console));
}
