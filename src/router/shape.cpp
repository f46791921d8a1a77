#include "router/shape.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <random>

namespace pgweir::router {

namespace {

using sql::token;
using sql::token_kind;

class sip_hash {
public:
    explicit sip_hash(const shape_key& key) noexcept
        : v0_(key.first ^ 0x736f6d6570736575),
          v1_(key.second ^ 0x646f72616e646f6d ^ wide),
          v2_(key.first ^ 0x6c7967656e657261),
          v3_(key.second ^ 0x7465646279746573) {}

    void add(std::uint64_t word) noexcept {
        v3_ ^= word;
        round();
        v0_ ^= word;
    }

    shape finish() noexcept {
        shape out;
        v2_ ^= wide;
        out.high = squeeze();
        v1_ ^= 0xdd;
        out.low = squeeze();
        return out;
    }

private:
    /// Two words are asked for, and not one.
    static constexpr std::uint64_t wide = 0xee;

    void round() noexcept {
        v0_ += v1_;
        v1_ = std::rotl(v1_, 13) ^ v0_;
        v0_ = std::rotl(v0_, 32);
        v2_ += v3_;
        v3_ = std::rotl(v3_, 16) ^ v2_;
        v0_ += v3_;
        v3_ = std::rotl(v3_, 21) ^ v0_;
        v2_ += v1_;
        v1_ = std::rotl(v1_, 17) ^ v2_;
        v2_ = std::rotl(v2_, 32);
    }

    std::uint64_t squeeze() noexcept {
        round();
        round();
        round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

    std::uint64_t v0_;
    std::uint64_t v1_;
    std::uint64_t v2_;
    std::uint64_t v3_;
};

/// Eight bytes at once, the letters of ASCII among them in lower case.
constexpr std::uint64_t lower_case(std::uint64_t bytes) noexcept {
    constexpr std::uint64_t each = 0x0101010101010101;
    const std::uint64_t low = bytes & (each * 0x7f);
    const std::uint64_t from_a = low + each * (0x80 - 'A');
    const std::uint64_t behind_z = low + each * (0x7f - 'Z');
    const std::uint64_t upper = (from_a ^ behind_z) & ~bytes & (each * 0x80);
    return bytes | (upper >> 2);
}

static_assert(lower_case(0x5b5a4d4140c1c180) == 0x5b7a6d6140c1c180);

enum class spelling : std::uint8_t { kept, lower };

/// Collects bytes, and hashes them eight at a time.
class byte_hash {
public:
    explicit byte_hash(const shape_key& key) noexcept : hash_(key) {}

    /// A mark, the bytes, and a zero byte.
    void put(char mark, std::string_view bytes, spelling how) noexcept {
        if (used_ + bytes.size() + 2 > capacity) {
            put_long(mark, bytes, how);
            return;
        }
        buffer_[used_] = mark;
        append(bytes, how, used_ + 1);
        used_ += bytes.size() + 2;
        buffer_[used_ - 1] = '\0';
    }

    void put_number(std::uint64_t number) noexcept {
        if (used_ + sizeof number > capacity) {
            flush();
        }
        std::memcpy(buffer_.data() + used_, &number, sizeof number);
        used_ += sizeof number;
    }

    shape finish() noexcept {
        const std::uint64_t size = hashed_ + used_;
        while (used_ % 8 != 0) {
            buffer_[used_++] = '\0';
        }
        flush();
        hash_.add(size);
        return hash_.finish();
    }

private:
    static constexpr std::size_t capacity = 512;

    /// What is behind the bytes may be written over, up to seven bytes of it.
    void append(std::string_view bytes, spelling how, std::size_t at) noexcept {
        char* out = buffer_.data() + at;
        bytes.copy(out, bytes.size());
        if (how == spelling::lower) {
            for (std::size_t i = 0; i < bytes.size(); i += 8) {
                std::uint64_t word = 0;
                std::memcpy(&word, out + i, sizeof word);
                word = lower_case(word);
                std::memcpy(out + i, &word, sizeof word);
            }
        }
    }

    void put_long(char mark, std::string_view bytes, spelling how) noexcept {
        flush();
        buffer_[used_++] = mark;
        while (!bytes.empty()) {
            const std::size_t part = std::min(bytes.size(), capacity - used_);
            append(bytes.substr(0, part), how, used_);
            used_ += part;
            bytes.remove_prefix(part);
            flush();
        }
        if (used_ == capacity) {
            flush();
        }
        buffer_[used_++] = '\0';
    }

    /// Hashes the whole words there are, and moves what is left of one to the beginning.
    void flush() noexcept {
        const std::size_t words = used_ / 8;
        for (std::size_t i = 0; i < words; i++) {
            std::uint64_t word = 0;
            std::memcpy(&word, buffer_.data() + 8 * i, sizeof word);
            hash_.add(word);
        }
        used_ -= 8 * words;
        std::memcpy(buffer_.data(), buffer_.data() + 8 * words, used_);
        hashed_ += 8 * words;
    }

    sip_hash hash_;
    std::size_t used_ = 0;
    std::uint64_t hashed_ = 0;
    std::array<char, capacity + 8> buffer_;
};

bool begins_query(const token& first) noexcept {
    return first.is("select") || first.is("with") || first.is("values") || first.is("table") ||
           first.is("insert") || first.is("update") || first.is("delete") || first.is("merge");
}

bool is_literal(token_kind kind) noexcept {
    switch (kind) {
        case token_kind::string:
        case token_kind::escape_string:
        case token_kind::unicode_string:
        case token_kind::dollar_string:
        case token_kind::bit_string:
        case token_kind::integer:
        case token_kind::number:
            return true;
        case token_kind::end:
        case token_kind::broken:
        case token_kind::word:
        case token_kind::quoted_name:
        case token_kind::unicode_name:
        case token_kind::parameter:
        case token_kind::symbol:
        case token_kind::operation:
            return false;
    }
    return false;
}

enum class literals : std::uint8_t { left_out_of_queries, all_kept };
enum class outcome : std::uint8_t { done, too_long, literals_matter };

/// Something in whose company literals are not just values.
bool makes_literals_matter(const token& one) noexcept {
    return one.kind == token_kind::unicode_name ||
           (one.text.size() == 10 && one.is("set_config")) ||
           (one.text.size() == 15 && one.is("current_setting")) ||
           (one.kind == token_kind::quoted_name &&
            (one.text == "\"set_config\"" || one.text == "\"current_setting\""));
}

/// Of a string with an N right in front: it has a type. With a blank between, N is a type's name.
constexpr char national_string = 0x40;

/// One pass. A token is its kind, its bytes where they count, and a zero byte: no token has one.
outcome put_tokens(sql::lexer tokens, literals mode, byte_hash& out) noexcept {
    bool keep = true;
    bool at_beginning = true;
    std::size_t behind_n = ~std::size_t{0};
    for (std::size_t count = 0; count < token_limit; count++) {
        const token one = tokens.next();
        if (one.is_last()) {
            return one.kind == token_kind::end ? outcome::done : outcome::too_long;
        }
        if (one.is(';')) {
            at_beginning = true;
        } else if (at_beginning && !one.is('(')) {
            at_beginning = false;
            keep = mode == literals::all_kept || !begins_query(one);
        }
        const bool counts = keep || !is_literal(one.kind);
        out.put(
            one.kind == token_kind::string && one.begin == behind_n
                ? national_string
                : static_cast<char>(static_cast<int>(one.kind) + 1),
            counts ? one.text : std::string_view(),
            one.kind == token_kind::word ? spelling::lower : spelling::kept
        );
        const bool is_n = one.kind == token_kind::word && one.text.size() == 1 && one.is("n");
        behind_n = is_n ? one.end() : ~std::size_t{0};
        if (mode != literals::all_kept && makes_literals_matter(one)) {
            return outcome::literals_matter;
        }
    }
    return outcome::too_long;
}

/// With its length, so that it cannot be taken for a part of what follows.
void put_sized(std::string_view bytes, byte_hash& out) noexcept {
    out.put_number(bytes.size());
    out.put('\0', bytes, spelling::kept);
}

void put_scope(const name_scope& scope, std::uint64_t generation, byte_hash& out) noexcept {
    out.put_number(generation);
    out.put_number(
        std::uint64_t{scope.catalogue} << 8 | (scope.search_path_known ? 2U : 0U) |
        (scope.strings == sql::backslash::escapes ? 1U : 0U)
    );
    put_sized(scope.role, out);
    put_sized(scope.user, out);
    put_sized(scope.search_path, out);
}

}  // namespace

shape_key shape_key::random() {
    shape_key key;
    if (getentropy(&key, sizeof key) != 0) {
        std::random_device source;
        const auto word = [&] { return std::uint64_t{source()} << 32 | source(); };
        key = {word(), word()};
    }
    return key;
}

std::optional<shape> shape_of(
    std::string_view text, const name_scope& scope, std::uint64_t generation, const shape_key& key
) noexcept {
    if (text.size() > text_limit) {
        return std::nullopt;
    }
    for (const literals mode : {literals::left_out_of_queries, literals::all_kept}) {
        byte_hash hash(key);
        put_scope(scope, generation, hash);
        const outcome result = put_tokens(sql::lexer(text, scope.strings), mode, hash);
        if (result == outcome::done) {
            return hash.finish();
        }
        if (result == outcome::too_long) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

}  // namespace pgweir::router
