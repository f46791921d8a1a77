#pragma once

// What a command prints: lines for people as things happen, or one JSON object at the end for
// machines (--json). Problems and hints go to standard error, everything else to standard output.
// One thread.

#include "cluster/runner.hpp"

#include <boost/json/value.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace pgweir::ctl {

enum class output_format { text, json };

/// How a check ended.
enum class check_outcome { pass, fail, skip };

class output {
public:
    output(output_format format, std::string command);
    ~output();

    output(const output&) = delete;
    output& operator=(const output&) = delete;

    bool is_json() const noexcept;

    /// Text for people alone; not printed as JSON.
    void say(std::string_view text);

    void step(const cluster::step& each, cluster::step_outcome outcome, std::string_view note);

    void check(
        std::string_view name,
        check_outcome outcome,
        std::string_view problem,
        std::string_view hint
    );

    /// A value of the JSON object. For people nothing is printed.
    void attach(std::string_view key, boost::json::value value);

    /// What went wrong, for the operator. Returns exit code 1.
    int complain(std::string_view message);

    /// Prints the JSON object; returns the code.
    int finish(int exit_code);

private:
    struct document;
    std::unique_ptr<document> document_;  ///< Only for JSON.
};

}  // namespace pgweir::ctl
