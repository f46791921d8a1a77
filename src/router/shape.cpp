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

/// Collects bytes, and hashes them eight at a time.
class byte_hash {
public:
    explicit byte_hash(const shape_key& key) noexcept : hash_(key) {}

    void put(char byte) noexcept {
        if (used_ == buffer_.size()) {
            flush();
        }
        buffer_[used_++] = byte;
    }

    void put(std::string_view bytes) noexcept {
        while (!bytes.empty()) {
            const std::size_t part = room(bytes.size());
            std::memcpy(buffer_.data() + used_, bytes.data(), part);
            used_ += part;
            bytes.remove_prefix(part);
        }
    }

    /// With the letters of ASCII in lower case, as PostgreSQL reads words.
    void put_lower(std::string_view bytes) noexcept {
        while (!bytes.empty()) {
            const std::size_t part = room(bytes.size());
            char* out = buffer_.data() + used_;
            for (std::size_t i = 0; i < part; i++) {
                const auto byte = static_cast<unsigned char>(bytes[i]);
                const bool upper = static_cast<unsigned char>(byte - 'A') < 26;
                out[i] = static_cast<char>(byte | (upper ? 0x20 : 0));
            }
            used_ += part;
            bytes.remove_prefix(part);
        }
    }

    void put_number(std::uint64_t number) noexcept {
        put(std::string_view(reinterpret_cast<const char*>(&number), sizeof number));
    }

    /// With its length, so that it cannot be taken for a part of what follows.
    void put_sized(std::string_view bytes) noexcept {
        put_number(bytes.size());
        put(bytes);
    }

    shape finish() noexcept {
        const std::uint64_t size = hashed_ + used_;
        while (used_ % 8 != 0) {
            buffer_[used_++] = '\0';
        }
        hash_words(used_ / 8);
        hash_.add(size);
        return hash_.finish();
    }

private:
    static constexpr std::size_t capacity = 512;

    std::size_t room(std::size_t wanted) noexcept {
        if (used_ == capacity) {
            flush();
        }
        return std::min(wanted, capacity - used_);
    }

    void flush() noexcept {
        hash_words(capacity / 8);
        hashed_ += capacity;
        used_ = 0;
    }

    void hash_words(std::size_t count) noexcept {
        for (std::size_t i = 0; i < count; i++) {
            std::uint64_t word = 0;
            std::memcpy(&word, buffer_.data() + 8 * i, sizeof word);
            hash_.add(word);
        }
    }

    sip_hash hash_;
    std::size_t used_ = 0;
    std::uint64_t hashed_ = 0;
    std::array<char, capacity> buffer_;
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

/// One pass. A token is its kind, its bytes where they count, and a zero byte: no token has one.
outcome put_tokens(sql::lexer tokens, literals mode, byte_hash& out) noexcept {
    bool keep = true;
    bool at_beginning = true;
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
        out.put(static_cast<char>(static_cast<int>(one.kind) + 1));
        if (one.kind == token_kind::word) {
            out.put_lower(one.text);
        } else if (keep || !is_literal(one.kind)) {
            out.put(one.text);
        }
        out.put('\0');
        if (mode != literals::all_kept && makes_literals_matter(one)) {
            return outcome::literals_matter;
        }
    }
    return outcome::too_long;
}

void put_scope(const name_scope& scope, std::uint64_t generation, byte_hash& out) noexcept {
    out.put_number(generation);
    out.put_number(
        std::uint64_t{scope.catalogue} << 8 | (scope.search_path_known ? 2U : 0U) |
        (scope.strings == sql::backslash::escapes ? 1U : 0U)
    );
    out.put_sized(scope.role);
    out.put_sized(scope.user);
    out.put_sized(scope.search_path);
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
