#include "ctl/output.hpp"

#include <boost/json.hpp>
#include <boost/json/src.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <sstream>
#include <utility>

namespace pgweir::ctl {

namespace {

namespace json = boost::json;

/// Follow-up lines stand under the first one.
std::string indented(std::string_view text) {
    std::istringstream lines{std::string(text)};
    std::string out;
    for (std::string line; std::getline(lines, line);) {
        out += "             " + line + "\n";
    }
    return out;
}

std::string_view to_string(check_outcome outcome) {
    switch (outcome) {
        case check_outcome::pass:
            return "pass";
        case check_outcome::fail:
            return "FAIL";
        case check_outcome::skip:
            return "skip";
    }
    return "";
}

json::string text_of(std::string_view text) {
    return json::string(text.data(), text.size());
}

}  // namespace

struct output::document {
    json::object root;
    json::array steps;
    json::array checks;
    json::array errors;
};

output::output(output_format format, std::string command) {
    if (format == output_format::json) {
        document_ = std::make_unique<document>();
        document_->root["command"] = text_of(command);
    }
}

output::~output() = default;

bool output::is_json() const noexcept {
    return document_ != nullptr;
}

void output::say(std::string_view text) {
    if (!is_json()) {
        fmt::print("{}", text);
        std::fflush(stdout);
    }
}

void output::step(const cluster::step& each, cluster::step_outcome outcome, std::string_view note) {
    if (is_json()) {
        json::object entry{
            {"name", text_of(each.name)},
            {"outcome", text_of(cluster::to_string(outcome))},
            {"note", text_of(note)}};
        document_->steps.emplace_back(std::move(entry));
        return;
    }
    const bool failed = outcome == cluster::step_outcome::failed;
    fmt::print(
        "  {:<11}{}{}\n",
        cluster::to_string(outcome),
        each.name,
        failed || note.empty() ? "" : fmt::format(" ({})", note)
    );
    std::fflush(stdout);
    if (failed) {
        fmt::print(stderr, "{}", indented(note));
    }
}

void output::check(
    std::string_view name, check_outcome outcome, std::string_view problem, std::string_view hint
) {
    if (is_json()) {
        json::object entry{
            {"name", text_of(name)},
            {"outcome", text_of(to_string(outcome))},
            {"problem", text_of(problem)},
            {"hint", text_of(outcome == check_outcome::fail ? hint : "")}};
        document_->checks.emplace_back(std::move(entry));
        return;
    }
    fmt::print("  {:<11}{}\n", to_string(outcome), name);
    std::fflush(stdout);
    if (outcome == check_outcome::fail) {
        fmt::print(stderr, "{}{}", indented(problem), indented(fmt::format("hint: {}", hint)));
    }
}

void output::attach(std::string_view key, json::value value) {
    if (is_json()) {
        document_->root[json::string_view(key.data(), key.size())] = std::move(value);
    }
}

int output::complain(std::string_view message) {
    if (is_json()) {
        document_->errors.emplace_back(text_of(message));
        return 1;
    }
    std::fflush(stdout);
    fmt::print(stderr, "pgweirctl: {}\n", message);
    return 1;
}

int output::finish(int exit_code) {
    if (is_json()) {
        json::object& root = document_->root;
        root["ok"] = exit_code == 0;
        root["exit_code"] = exit_code;
        root["steps"] = std::move(document_->steps);
        root["checks"] = std::move(document_->checks);
        root["errors"] = std::move(document_->errors);
        fmt::print("{}\n", json::serialize(root));
        std::fflush(stdout);
    }
    return exit_code;
}

}  // namespace pgweir::ctl
