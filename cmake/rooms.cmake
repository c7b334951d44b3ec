# One function per kind of folder. Every list of sources is a glob that is
# checked again at each build, so a new file needs no edit here.
# All in-tree programs link the static library: they run from anywhere.

# tools/*.cpp and tools/commands/*.cpp: the command line tool `sluice`.
function(sluice_add_tools folder)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp ${folder}/commands/*.cpp)
    if(NOT sources)
        return()
    endif()
    sluice_need(CLI11 2.1 "the tool's command line" libcli11-dev)
    sluice_need(spdlog 1.10 "what the tool says of errors" libspdlog-dev)
    sluice_need(nlohmann_json 3.11 "the tool's --json" nlohmann-json3-dev)
    add_executable(sluice_cli ${sources})
    set_target_properties(sluice_cli PROPERTIES OUTPUT_NAME sluice)
    target_include_directories(sluice_cli PRIVATE ${folder})
    target_link_libraries(sluice_cli PRIVATE
        sluice::static CLI11::CLI11 spdlog::spdlog nlohmann_json::nlohmann_json)
endfunction()

# Each <folder>/*.cpp is one program, named <prefix><stem>.
function(sluice_add_programs folder prefix)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM stem)
        add_executable(${prefix}${stem} ${source})
        target_include_directories(${prefix}${stem} PRIVATE ${folder})
        target_link_libraries(${prefix}${stem} PRIVATE sluice::static ${ARGN})
    endforeach()
endfunction()

function(sluice_add_examples folder)
    sluice_add_programs(${folder} example_)
    add_subdirectory(${folder}/serializers)
endfunction()

# A bench folder that needs more than a glob (its peers' libraries, say) brings its own list.
function(sluice_add_bench folder)
    if(EXISTS ${PROJECT_SOURCE_DIR}/${folder}/CMakeLists.txt)
        # Half as long again as all the rest, and only measuring needs it: target `benches`, scripts/bench.
        add_subdirectory(${folder} EXCLUDE_FROM_ALL)
    else()
        sluice_need(benchmark 1.7 "the benchmarks" libbenchmark-dev)
        sluice_add_programs(${folder} bench_ benchmark::benchmark)
    endif()
endfunction()

# tests/<room>/*_test.cpp: one program test_<room>, each of its TESTs one ctest
#                          test named <room>.<Suite>.<Name> with the label <room>.
# tests/support/*.cpp:     what they all share.
# tests/programs/*.cpp:    the other process of a two-process test, found in SLUICE_PROGRAM_DIR.
# tests/readme/*.sh:       what README.md and examples/ promise.
function(sluice_add_tests folder)
    sluice_need(GTest 1.12 "the tests" libgtest-dev)
    if(NOT TARGET GTest::gmock)
        sluice_say_missing("GoogleMock" "the tests" libgmock-dev)
    endif()
    include(GoogleTest)
    set(program_dir ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})

    file(GLOB support_sources CONFIGURE_DEPENDS ${folder}/support/*.cpp)
    if(support_sources)
        set(scope PUBLIC)
        add_library(test_support STATIC ${support_sources})
        set_target_properties(test_support PROPERTIES UNITY_BUILD OFF)
    else()
        set(scope INTERFACE)
        add_library(test_support INTERFACE)
    endif()
    target_include_directories(test_support ${scope}
        ${PROJECT_SOURCE_DIR}/${folder} ${PROJECT_SOURCE_DIR}/src)
    target_compile_definitions(test_support ${scope} SLUICE_PROGRAM_DIR="${program_dir}"
        SLUICE_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/${folder}/golden")
    target_link_libraries(test_support ${scope} sluice::static GTest::gtest GTest::gmock)

    sluice_add_programs(${folder}/programs "" test_support)

    file(GLOB test_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/${folder}
         ${folder}/*/*_test.cpp)
    set(rooms_as_shipped ring conformance wait crash)
    set(rooms ${test_sources})
    list(TRANSFORM rooms REPLACE "/.*" "")
    list(REMOVE_DUPLICATES rooms)
    foreach(room IN LISTS rooms)
        if(SLUICE_TEST_ROOMS AND NOT room IN_LIST SLUICE_TEST_ROOMS)
            continue()
        endif()
        set(room_sources ${test_sources})
        list(FILTER room_sources INCLUDE REGEX "^${room}/")
        list(TRANSFORM room_sources PREPEND ${folder}/)
        add_executable(test_${room} ${room_sources})
        set_target_properties(test_${room} PROPERTIES UNITY_BUILD OFF)  # two files may name their helpers alike
        target_link_libraries(test_${room} PRIVATE test_support GTest::gtest_main)
        # A test is compiled for its verdict, not for speed: a third of the time. Where the
        # generated code is what is tested, it is the preset's.
        if(NOT room IN_LIST rooms_as_shipped)
            target_compile_options(test_${room} PRIVATE -O0)
            # GoogleTest's headers are a quarter of such a compilation. (ccache would not keep what is compiled so.)
            if(CMAKE_CXX_COMPILER_LAUNCHER)
            elseif(headers_of)
                target_precompile_headers(test_${room} REUSE_FROM ${headers_of})
            else()
                target_precompile_headers(test_${room} PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
                set(headers_of test_${room})
            endif()
        endif()
        gtest_discover_tests(test_${room}
            TEST_PREFIX ${room}.
            DISCOVERY_MODE PRE_TEST
            DISCOVERY_TIMEOUT 60
            PROPERTIES LABELS ${room} TIMEOUT ${SLUICE_TEST_TIMEOUT_S})
    endforeach()

    if(SLUICE_BUILD_EXAMPLES)
        add_test(NAME examples.all COMMAND bash ${PROJECT_SOURCE_DIR}/${folder}/readme/examples.sh ${program_dir})
        set_tests_properties(examples.all PROPERTIES LABELS examples TIMEOUT ${SLUICE_TEST_TIMEOUT_S})
    endif()
    add_test(NAME readme.scripts COMMAND bash ${PROJECT_SOURCE_DIR}/${folder}/readme/scripts.sh ${PROJECT_SOURCE_DIR})
    set_tests_properties(readme.scripts PROPERTIES LABELS readme TIMEOUT ${SLUICE_TEST_TIMEOUT_S})
    if(NOT SLUICE_SANITIZE)  # a program outside would have to be built with the same sanitizer
        add_test(NAME readme.blocks COMMAND bash ${PROJECT_SOURCE_DIR}/${folder}/readme/compile.sh
                ${PROJECT_SOURCE_DIR} $<TARGET_FILE:sluice_static> ${CMAKE_CXX_COMPILER})
        set_tests_properties(readme.blocks PROPERTIES LABELS readme TIMEOUT ${SLUICE_TEST_TIMEOUT_S})
    endif()

    # What is installed does not change with the sanitizer, so one build tests it.
    if(SLUICE_INSTALL AND NOT SLUICE_SANITIZE)
        add_test(NAME install.outside_project
            COMMAND bash ${PROJECT_SOURCE_DIR}/${folder}/install/run.sh
                    ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER})
        set_tests_properties(install.outside_project PROPERTIES LABELS install TIMEOUT 300)
    endif()
endfunction()
