# What is missing is said in one sentence, with the Debian package, before anything is compiled. docs/dependencies.md
# says what each is for.

if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12) OR
   (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14))
    message(FATAL_ERROR "sluice needs g++ 12 or clang++ 14, or later ones; ${CMAKE_CXX_COMPILER} is "
                        "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}. Debian: apt-get install g++, "
                        "then cmake -DCMAKE_CXX_COMPILER=g++ in a new build directory.")
endif()
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    message(FATAL_ERROR "sluice runs on Linux alone (futex, memfd, locks of open file descriptions); "
                        "this is ${CMAKE_SYSTEM_NAME}.")
endif()

function(sluice_say_missing what for_what package)
    message(FATAL_ERROR "sluice needs ${what} for ${for_what}, and CMake does not find it. Debian: apt-get install "
                        "${package}. Elsewhere: install it and name its place with -DCMAKE_PREFIX_PATH=...")
endfunction()

# sluice_need(PACKAGE VERSION FOR_WHAT DEBIAN_PACKAGE): find_package, or one sentence.
macro(sluice_need package version for_what debian_package)
    find_package(${package} ${version} QUIET)
    if(NOT ${package}_FOUND)
        sluice_say_missing("${package} ${version}" "${for_what}" ${debian_package})
    endif()
endmacro()

# sluice_need_header(NAME HEADER FOR_WHAT DEBIAN_PACKAGE): what comes without a CMake package. Sets NAME_INCLUDE_DIR.
function(sluice_need_header name header for_what debian_package)
    find_path(${name}_INCLUDE_DIR ${header})
    if(NOT ${name}_INCLUDE_DIR)
        sluice_say_missing("<${header}>" "${for_what}" ${debian_package})
    endif()
    mark_as_advanced(${name}_INCLUDE_DIR)
endfunction()
