#include "auth/name_pattern.hpp"

#include <fmt/format.h>

#include <re2/re2.h>

#include <utility>

namespace pgweir::auth {

namespace {

constexpr std::size_t longest_expression = 4096;
constexpr int most_memory = 1024 * 1024;

re2::StringPiece piece(std::string_view text) noexcept {
    return {text.data(), text.size()};
}

}  // namespace

name_pattern::name_pattern(std::shared_ptr<const re2::RE2> compiled)
    : compiled_(std::move(compiled)) {}

result<name_pattern> name_pattern::make(std::string_view expression) {
    if (expression.size() > longest_expression) {
        return failure{fmt::format(
            "a regular expression of {} bytes, expected at most {}",
            expression.size(),
            longest_expression
        )};
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(most_memory);
    options.set_encoding(RE2::Options::EncodingLatin1);  // bytes: a name need not be valid text
    auto compiled = std::make_shared<const re2::RE2>(piece(expression), options);
    if (!compiled->ok()) {
        return failure{
            fmt::format("the regular expression \"{}\": {}", expression, compiled->error())};
    }
    return name_pattern(std::move(compiled));
}

bool name_pattern::fits(std::string_view name) const {
    return RE2::PartialMatch(piece(name), *compiled_);
}

std::optional<std::string> name_pattern::first_group(std::string_view name) const {
    re2::StringPiece found;
    if (!RE2::PartialMatch(piece(name), *compiled_, &found)) {
        return std::nullopt;
    }
    return found.data() == nullptr ? std::string() : std::string(found.data(), found.size());
}

bool name_pattern::has_group() const noexcept {
    return compiled_->NumberOfCapturingGroups() > 0;
}

}  // namespace pgweir::auth
