#include "session/segment.hpp"

#include "protocol/frame.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace pgweir::session {

namespace {

using router::reason;

/// More statements than this are prepared in one segment by nobody who reads.
constexpr std::size_t parses_remembered = 8;

std::uint32_t big_endian(std::string_view four) noexcept {
    std::uint32_t value = 0;
    for (const char c : four) {
        value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
}

/// A string that ends with a zero byte, taken from the front of a body; nothing if it does not end.
std::optional<std::string_view> take_string(std::string_view& body) noexcept {
    const std::size_t end = body.find('\0');
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view found = body.substr(0, end);
    body.remove_prefix(end + 1);
    return found;
}

/// Puts one segment together, message by message.
class reading {
public:
    reading(segment& to, const segment_court& court) : to_(to), court_(court) {}

    void query(std::string_view body) {
        texts_ = 1;
        if (const auto text = take_string(body)) {
            judge(*text);
            to_.text = *text;
        } else {
            refuse(reason::not_understood);
        }
    }

    void extended(char type, std::string_view body) {
        switch (type) {
            case 'P':
                return parse(body);
            case 'B':
                return bind(body);
            case 'E':
                return execute(body);
            case 'C':
                plain_ = plain_ && body.size() <= 2;
                return;
            case 'D':
                plain_ = plain_ && body.size() <= 2;
                return;
            case 'H':
                return refuse(reason::transaction);
            default:
                return;
        }
    }

    void finish() {
        bool used_later = parsed_ > parsed_names_.size();  // on the same server; or nobody knows
        for (std::size_t i = 0; i < std::min(parsed_, parsed_names_.size()); i++) {
            const bool goes_along = court_.keeps_names && !parsed_names_[i].empty();
            used_later = used_later || (!bound_[i] && !goes_along) ||
                         (!court_.room_for_names && !parsed_names_[i].empty());
        }
        if (used_later) {
            refuse(reason::session_state);
        }
        to_.reads = sound_ && texts_ > 0;
        to_.harmless = to_.reads && harmless_;
        if (to_.reads) {
            to_.why = reason::read;
        }
        if (to_.what == segment::form::extended &&
            (texts_ != 1 || binds_ != 1 || executes_ != 1 || !plain_)) {
            to_.text = {};
        }
    }

    void refuse(reason why) {
        if (sound_) {
            to_.why = why;
        }
        sound_ = false;
    }

private:
    verdict_memo::verdict verdict_of(std::string_view text) const {
        return {court_.judge.of(text, court_.scope), read_hint(text)};
    }

    void take(const verdict_memo::verdict& one) {
        if (!to_.hint) {
            to_.hint = one.hint;
        }
        harmless_ = harmless_ && one.found.harmless;
        if (!one.found.read) {
            refuse(one.found.why);
        }
    }

    void judge(std::string_view text) { take(verdict_of(text)); }

    void parse(std::string_view body) {
        texts_++;
        const auto name = take_string(body);
        const auto text = name ? take_string(body) : std::nullopt;
        if (!text) {
            return refuse(reason::not_understood);
        }
        plain_ = plain_ && name->empty() && body == std::string_view("\0\0", 2);
        to_.text = *text;
        judge(*text);
        if (parsed_ < parsed_names_.size()) {
            parsed_names_[parsed_] = *name;
        }
        parsed_++;
    }

    void bind(std::string_view body) {
        const auto portal = take_string(body);
        const auto name = portal ? take_string(body) : std::nullopt;
        if (!name) {
            return refuse(reason::not_understood);
        }
        plain_ = plain_ && portal->empty() && name->empty();
        binds_++;
        for (std::size_t i = std::min(parsed_, parsed_names_.size()); i > 0; i--) {
            if (parsed_names_[i - 1] == *name) {
                bound_[i - 1] = true;
                return;  // judged with its Parse
            }
        }
        texts_++;
        const auto known = name->empty() ? std::nullopt : court_.statement(*name);
        if (!known || parsed_ > parsed_names_.size()) {
            return refuse(reason::not_understood);
        }
        const std::uint64_t epoch = court_.judge.epoch();
        const verdict_memo::verdict* kept = court_.memo.find(known->number, epoch);
        const verdict_memo::verdict now = kept != nullptr ? *kept : verdict_of(known->text);
        if (kept == nullptr) {
            court_.memo.keep(known->number, epoch, now);
        }
        take(now);
    }

    void execute(std::string_view body) {
        executes_++;
        const auto portal = take_string(body);
        if (!portal || body.size() != 4 || big_endian(body) != 0) {
            refuse(reason::session_state);  // some of the rows now, others later
        }
    }

    segment& to_;
    const segment_court& court_;
    std::array<std::string_view, parses_remembered> parsed_names_{};
    std::array<bool, parses_remembered> bound_{};
    std::size_t parsed_ = 0;
    std::size_t binds_ = 0;
    std::size_t executes_ = 0;
    std::size_t texts_ = 0;
    bool sound_ = true;
    bool harmless_ = true;
    bool plain_ = true;
};

bool is_extended(char type) noexcept {
    return std::string_view("PBDECHS").find(type) != std::string_view::npos;
}

}  // namespace

segment read_segment(std::string_view bytes, std::size_t limit, const segment_court& court) {
    segment found;
    reading all(found, court);
    std::size_t at = 0;
    for (;;) {
        const std::string_view rest = bytes.substr(at);
        if (!rest.empty()) {
            const bool fits =
                at == 0 ? rest[0] == 'Q' || is_extended(rest[0]) : is_extended(rest[0]);
            if (!fits) {
                found.what = at == 0 ? segment::form::other : segment::form::extended;
                break;  // a Query behind messages without a Sync: the ordinary way knows it
            }
        }
        const bool has_header = rest.size() >= protocol::header_size;
        const std::uint32_t length = has_header ? big_endian(rest.substr(1, 4)) : 0;
        if (has_header && length < 4) {
            found.what = segment::form::other;
            break;
        }
        if (!has_header || rest.size() - 1 < length) {
            const std::size_t known = at + (has_header ? std::size_t{length} + 1 : 0);
            if (std::max(known, bytes.size()) <= limit) {
                return {};  // incomplete
            }
            found.what = bytes[0] == 'Q' ? segment::form::query : segment::form::extended;
            break;
        }
        const char type = rest[0];
        const std::string_view body = rest.substr(protocol::header_size, length - 4);
        at += std::size_t{length} + 1;
        if (at > limit) {
            all.refuse(reason::not_understood);  // more than is kept to be sent again
        }
        if (type == 'Q') {
            found.what = segment::form::query;
            found.length = at;
            all.query(body);
            all.finish();
            return found;
        }
        found.what = segment::form::extended;
        if (type == 'S') {
            found.length = at;
            all.finish();
            return found;
        }
        all.extended(type, body);
        if (type == 'H') {
            break;  // answers are wanted before the segment has ended
        }
    }
    all.refuse(reason::not_understood);
    all.finish();
    found.length = bytes.size();
    found.text = {};
    return found;
}

}  // namespace pgweir::session
