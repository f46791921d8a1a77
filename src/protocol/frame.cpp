#include "protocol/frame.hpp"

#include <algorithm>

namespace pgweir::protocol {

frame_scanner::frame_scanner(
    const type_set& whole, std::uint32_t whole_limit, std::uint32_t length_limit
) noexcept
    : whole_(&whole), whole_limit_(whole_limit), length_limit_(length_limit) {}

frame_scanner::event frame_scanner::fail(std::size_t message_begin) noexcept {
    failed_ = true;
    body_left_ = 0;
    position_ = message_begin;
    return event::malformed;
}

frame_scanner::event frame_scanner::keep_rest() {
    kept_.assign(chunk_.substr(position_));
    return stay_at(position_);
}

frame_scanner::event frame_scanner::next_of_kept() {
    if (failed_) {
        return event::malformed;
    }
    if (!kept_reported_) {
        return finish_kept();
    }
    kept_reported_ = false;
    kept_ = std::string();
    return next();
}

frame_scanner::event frame_scanner::finish_kept() {
    const std::size_t begin = position_;
    if (kept_.size() < header_size) {
        if (!take(header_size)) {
            return stay_at(begin);
        }
        if (!read_header(kept_.data())) {
            return fail(begin);
        }
        if (wanted() == extent::header) {
            kept_reported_ = true;
            return header_read(kept_, false);
        }
    }
    extent how_much = wanted();
    if (kept_.size() > size_of(how_much)) {
        how_much = extent::whole;  // it was begun so, under another set
    }
    if (!take(size_of(how_much))) {
        return stay_at(begin);
    }
    kept_reported_ = true;
    return body_read(kept_, false, how_much);
}

bool frame_scanner::want_whole(std::uint32_t limit) {
    if (body_length_ > limit) {
        return false;
    }
    want_whole_ = true;
    body_left_ = 0;
    if (raw_in_chunk_) {
        position_ -= raw_.size();
    } else {
        kept_reported_ = false;
    }
    return true;
}

frame_scanner::event frame_scanner::stay_at(std::size_t position) noexcept {
    position_ = position;
    chunk_ = chunk_.substr(0, position);
    return event::end;
}

bool frame_scanner::take(std::size_t wanted) {
    const std::size_t count = std::min(wanted - kept_.size(), chunk_.size() - position_);
    if (kept_.size() + count > kept_.capacity()) {
        // Grows with what has arrived, not with what a header announced.
        kept_.reserve(std::min(wanted, 2 * (kept_.size() + count)));
    }
    kept_.append(chunk_, position_, count);
    position_ += count;
    return kept_.size() == wanted;
}

}  // namespace pgweir::protocol
