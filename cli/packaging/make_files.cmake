# Makes what the package has besides the binary, with the binary's help: man pages, completions, example.toml.
# cmake -DROVE= -DPYTHON= -DGZIP= -DMAKE_PAGES= -DOPERATIONS= -DDATE= -DOUT= -P make_files.cmake

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status)
  if(status)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}: ${status}")
  endif()
endfunction()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/man)
run(${PYTHON} -B ${MAKE_PAGES} --rove ${ROVE} --operations ${OPERATIONS} --date ${DATE} --output ${OUT}/man)
run(${GZIP} -9n ${OUT}/man/rove.1 ${OUT}/man/rove.toml.5)

# The configuration that every new network gets, which has each key with its default.
run(${ROVE} init example --node example --subnet 10.99.0.0/24 --config-dir ${OUT}/example --json OUTPUT_QUIET)
file(COPY_FILE ${OUT}/example/example.toml ${OUT}/example.toml)
file(REMOVE_RECURSE ${OUT}/example)  # its keys are nobody's

# A binary without this verb has no completion.
foreach(shell bash zsh fish)
  execute_process(COMMAND ${ROVE} completion ${shell} OUTPUT_VARIABLE script RESULT_VARIABLE status ERROR_QUIET)
  if(status EQUAL 0)
    file(WRITE ${OUT}/rove.${shell} "${script}")
  endif()
endforeach()
file(TOUCH ${OUT}/completions.stamp)
