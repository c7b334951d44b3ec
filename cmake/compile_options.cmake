# Directory-wide options of this project's own targets; nothing here is exported.

set(CMAKE_CXX_STANDARD 20)  # also of targets that do not link the library
set(CMAKE_CXX_EXTENSIONS OFF)

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(SLUICE_WERROR)
    add_compile_options(-Werror)
endif()

if(SLUICE_SANITIZE)
    # A finding must end the program, or a test that meets one would still pass.
    add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${SLUICE_SANITIZE})
endif()

# Set for a subproject as well: its tests find each other's programs there.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

if(PROJECT_IS_TOP_LEVEL)
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
    find_program(CCACHE_PROGRAM ccache)
    if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
        set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
    endif()
endif()

# g++'s ThreadSanitizer does not follow fences and says so. The two here order parking
# against publishing and carry no data: what is read is published by an atomic store.
if(SLUICE_SANITIZE STREQUAL thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options(-Wno-tsan)
endif()
