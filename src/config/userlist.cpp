#include "config/userlist.hpp"

#include "config/file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pgweir::config {

namespace {

// PgBouncer's limits.
constexpr std::size_t longest_name = 127;
constexpr std::size_t longest_secret = 65530;

bool is_space(char c) noexcept {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void skip_spaces(std::string_view& text) noexcept {
    const auto* end = std::find_if_not(text.begin(), text.end(), is_space);
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
}

/// Takes a word in double quotes, where "" is one quote. `what` is for messages, which never show
/// it.
result<secret> take_quoted(std::string_view& line, std::string_view what) {
    if (!line.starts_with('"')) {
        return failure{fmt::format("expected {} in double quotes", what)};
    }
    line.remove_prefix(1);
    std::string word;
    for (;;) {
        const std::size_t quote = line.find('"');
        if (quote == std::string_view::npos) {
            wipe(word);
            return failure{fmt::format("{} has no closing quote on its line", what)};
        }
        word.append(line.substr(0, quote));
        line.remove_prefix(quote + 1);
        if (!line.starts_with('"')) {
            secret made{word};
            wipe(word);
            return made;
        }
        word.push_back('"');
        line.remove_prefix(1);
    }
}

struct user_line {
    std::string name;
    secret value;
};

/// "name" "secret", and whatever follows.
result<user_line> parse_line(std::string_view line) {
    auto name = take_quoted(line, "the user");
    if (!name) {
        return failure{fmt::format("{} (a comment begins with ;)", name.error().message)};
    }
    if (name->empty() || name->view().size() > longest_name) {
        return failure{fmt::format(
            "a user name of {} bytes, expected 1 to {}", name->view().size(), longest_name
        )};
    }
    skip_spaces(line);
    auto word = take_quoted(line, "the password");
    if (!word) {
        return word.error();
    }
    if (word->view().size() > longest_secret) {
        return failure{fmt::format(
            "a password of {} bytes, expected at most {}", word->view().size(), longest_secret
        )};
    }
    return user_line{.name = std::string(name->view()), .value = std::move(*word)};
}

}  // namespace

const secret* user_list::find(std::string_view name) const noexcept {
    const auto found = users_.find(name);
    return found == users_.end() ? nullptr : &found->second.value;
}

result<user_list> parse_user_list(std::string_view text, const std::string& file) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.starts_with(byte_order_mark)) {
        text.remove_prefix(byte_order_mark.size());
    }
    user_list list;
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t length = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, length);
        text.remove_prefix(std::min(length + 1, text.size()));
        if (line.find('\0') != std::string_view::npos) {
            return failure{
                fmt::format("{}:{}: a NUL byte in the file, expected text", file, number)};
        }
        skip_spaces(line);
        if (line.empty() || line.starts_with(';')) {
            continue;
        }
        auto made = parse_line(line);
        if (!made) {
            return failure{fmt::format("{}:{}: {}", file, number, made.error().message)};
        }
        if (list.users_.contains(made->name)) {
            list.warnings_.push_back({fmt::format(
                "{}:{}: the user \"{}\" stands here again and replaces the line above",
                file,
                number,
                made->name
            )});
        }
        list.users_.insert_or_assign(std::move(made->name), user_secret{std::move(made->value)});
    }
    return list;
}

result<std::shared_ptr<const user_list>> load_user_list(const std::string& path) {
    auto file = read_file(path);
    if (!file) {
        return file.error();
    }
    auto list = parse_user_list(file->text, path);
    wipe(file->text);
    if (!list) {
        return list.error();
    }
    if (file->world_readable) {
        list->warnings_.push_back({fmt::format(
            "{}: every user of this machine can read it, and it holds passwords: chmod 640 {}",
            path,
            path
        )});
    }
    return std::make_shared<const user_list>(std::move(*list));
}

}  // namespace pgweir::config
