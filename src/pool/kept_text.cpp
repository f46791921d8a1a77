#include "pool/kept_text.hpp"

#include "protocol/message.hpp"

#include <algorithm>
#include <functional>

namespace pgweir::pool {

namespace {

constexpr std::uint32_t dismissed_bit = 1;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_space(char c) noexcept {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool begins_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool in_word(char c) noexcept {
    return begins_word(c) || is_digit(c);
}

/// `lower` is in lower case.
bool is(std::string_view word, std::string_view lower) noexcept {
    return std::equal(word.begin(), word.end(), lower.begin(), lower.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
    });
}

bool is_any_of(std::string_view word, std::initializer_list<std::string_view> words) noexcept {
    return std::any_of(words.begin(), words.end(), [&](std::string_view one) {
        return is(word, one);
    });
}

std::string_view word_at(std::string_view text, std::size_t at) noexcept {
    std::size_t end = at;
    while (end < text.size() && in_word(text[end])) {
        end++;
    }
    return text.substr(at, end - at);
}

/// The types of a Parse message's parameters.
class parameter_types {
public:
    explicit parameter_types(std::string_view behind_text) noexcept {
        protocol::message_reader reader(behind_text);
        const std::int16_t count = reader.int16();
        oids_ = reader.bytes(static_cast<std::size_t>(std::max<std::int16_t>(count, 0)) * 4);
    }

    /// Whether the type of $n is given.
    bool given(std::size_t n) const noexcept {
        return n >= 1 && n <= oids_.size() / 4 &&
               protocol::message_reader(oids_.substr((n - 1) * 4)).int32() != 0;
    }

private:
    std::string_view oids_;
};

/// Reads a text from left to right.
class text_judge {
public:
    text_judge(std::string_view text, const parameter_types& types) noexcept
        : text_(text), types_(types) {}

    bool may_be_kept() noexcept {
        while (at_ < text_.size() && is_space(text_[at_])) {
            at_++;
        }
        const std::string_view first = word_at(text_, at_);
        const bool writes = is_any_of(first, {"insert", "update", "delete", "merge"});
        if (!writes && !is_any_of(first, {"select", "with", "values", "table"})) {
            return false;
        }
        makes_table_ = !writes;
        at_ += first.size();
        while (at_ < text_.size()) {
            if (!step()) {
                return false;
            }
        }
        return true;
    }

private:
    bool step() noexcept {
        const char c = text_[at_];
        if (begins_word(c)) {
            const std::string_view word = word_at(text_, at_);
            at_ += word.size();
            return !(makes_table_ && is(word, "into"));  // SELECT INTO is a utility statement
        }
        if (c == '$') {
            return parameter();
        }
        at_++;
        if (c == ';') {
            return std::all_of(text_.begin() + std::ptrdiff_t(at_), text_.end(), is_space);
        }
        return c != '\'' && static_cast<unsigned char>(c) < 0x80;
    }

    /// False for the quotes that begin like one.
    bool parameter() noexcept {
        std::size_t number = 0;
        std::size_t end = at_ + 1;
        for (; end < text_.size() && is_digit(text_[end]) && number < 100'000; end++) {
            number = number * 10 + static_cast<std::size_t>(text_[end] - '0');
        }
        at_ = end;
        const std::string_view rest = text_.substr(at_);
        const bool cast = rest.starts_with("::") && rest.size() > 2 && begins_word(rest[2]);
        return number != 0 && (cast || types_.given(number));
    }

    std::string_view text_;
    const parameter_types& types_;
    std::size_t at_ = 0;
    bool makes_table_ = false;  // if there is an INTO
};

}  // namespace

bool may_be_kept(std::string_view definition) noexcept {
    const std::size_t end = definition.find('\0');
    if (end == definition.npos) {
        return false;
    }
    return text_judge(definition.substr(0, end), parameter_types(definition.substr(end + 1)))
        .may_be_kept();
}

std::uint64_t recurring_texts::hash_of(std::string_view beginning, std::size_t length) noexcept {
    return std::hash<std::string_view>()(beginning) ^ (length * 0x9e3779b97f4a7c15U);
}

bool recurring_texts::recurs(std::string_view beginning, std::size_t length) noexcept {
    const std::uint64_t hash = hash_of(beginning, length);
    const auto tag = static_cast<std::uint32_t>(hash >> 32) & ~dismissed_bit;
    std::atomic<std::uint32_t>& slot = seen_[hash % remembered];
    const std::uint32_t known = slot.load(std::memory_order_relaxed);
    if ((known & ~dismissed_bit) == tag) {
        return (known & dismissed_bit) == 0;
    }
    slot.store(tag, std::memory_order_relaxed);
    return false;
}

void recurring_texts::dismiss(std::string_view beginning, std::size_t length) noexcept {
    const std::uint64_t hash = hash_of(beginning, length);
    seen_[hash % remembered].store(
        static_cast<std::uint32_t>(hash >> 32) | dismissed_bit, std::memory_order_relaxed
    );
}

}  // namespace pgweir::pool
