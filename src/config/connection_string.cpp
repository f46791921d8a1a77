#include "config/connection_string.hpp"

#include "base/secret.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>

namespace pgweir::config {

namespace {

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

/// Walks over the text. Its unquoted copy of a value may be a password, so it is wiped.
class scanner {
public:
    explicit scanner(std::string_view text) : text_(text) {}

    scanner(const scanner&) = delete;
    scanner& operator=(const scanner&) = delete;

    ~scanner() { wipe(unquoted_); }

    bool at_end() {
        while (!text_.empty() && is_blank(text_.front())) {
            text_.remove_prefix(1);
        }
        return text_.empty();
    }

    result<std::string_view> key() {
        const std::size_t length = std::min(text_.find_first_of("= \t"), text_.size());
        const std::string_view found = text_.substr(0, length);
        text_.remove_prefix(length);
        if (found.empty()) {
            return failure{"a \"=\" without a key, expected key=value pairs"};
        }
        if (at_end() || text_.front() != '=') {
            // The word itself is not shown: it may be the end of a password with a blank in it.
            return failure{
                previous_.empty()
                    ? std::string(
                          "the first word is not followed by \"=\", expected key=value pairs"
                      )
                    : fmt::format(
                          "behind the value of {} stands a word without \"=\" (a value with blanks "
                          "in "
                          "it needs quotes: '...')",
                          shown(previous_)
                      )};
        }
        text_.remove_prefix(1);
        previous_ = found;
        return found;
    }

    /// The value of `key`, valid until the next call.
    result<std::string_view> value(std::string_view key) {
        if (at_end()) {
            return failure{fmt::format("{} has no value", shown(key))};
        }
        if (text_.front() == '\'') {
            return quoted(key);
        }
        const std::size_t length = std::min(text_.find(' '), text_.size());
        const std::string_view found = text_.substr(0, length);
        if (found.find('\t') != std::string_view::npos) {
            return failure{fmt::format(
                "a tab in the value of {}: put a blank there, or quotes around the value",
                shown(key)
            )};
        }
        text_.remove_prefix(length);
        return found;
    }

private:
    result<std::string_view> quoted(std::string_view key) {
        unquoted_.clear();
        text_.remove_prefix(1);
        for (;;) {
            const std::size_t quote = text_.find('\'');
            if (quote == std::string_view::npos) {
                return failure{fmt::format("the quoted value of {} has no end", shown(key))};
            }
            unquoted_.append(text_.substr(0, quote));
            text_.remove_prefix(quote + 1);
            if (!text_.starts_with('\'')) {
                break;
            }
            unquoted_.push_back('\'');
            text_.remove_prefix(1);
        }
        if (!text_.empty() && !is_blank(text_.front())) {
            return failure{
                fmt::format("expected a blank behind the quoted value of {}", shown(key))};
        }
        if (unquoted_.empty()) {
            return failure{fmt::format("{} has an empty value", shown(key))};
        }
        return std::string_view(unquoted_);
    }

    static std::string shown(std::string_view key) {
        constexpr std::size_t longest = 30;
        return fmt::format("\"{}\"", key.substr(0, longest));
    }

    std::string_view text_;
    std::string_view previous_;  // the key before
    std::string unquoted_;
};

}  // namespace

result<void> parse_connection_string(
    std::string_view text,
    const std::function<result<void>(std::string_view key, std::string_view value)>& take
) {
    scanner pairs(text);
    while (!pairs.at_end()) {
        const auto key = pairs.key();
        if (!key) {
            return key.error();
        }
        const auto value = pairs.value(*key);
        if (!value) {
            return value.error();
        }
        if (auto taken = take(*key, *value); !taken) {
            return taken;
        }
    }
    return {};
}

}  // namespace pgweir::config
