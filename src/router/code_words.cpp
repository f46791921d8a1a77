#include "router/code_words.hpp"

#include "sql/lexer.hpp"

#include <utility>

namespace pgweir::router {

namespace {

class code_reader {
public:
    explicit code_reader(code_words& out) : out_(out) {}

    void read(std::string_view text) { read(text, 0); }

private:
    static constexpr int deepest = 3;  // strings in strings

    void read(std::string_view text, int depth);
    void take_string(const sql::token& string, int depth);
    void take_name(const std::string& schema, const std::string& name, sql::lexer ahead);

    code_words& out_;
    bool own_name_ = true;  // is still to come
};

void code_reader::take_string(const sql::token& string, int depth) {
    std::string inside;
    if (depth < deepest && sql::append_string(string, inside)) {
        read(inside, depth + 1);
    }
}

/// A name, with what is before its point or nothing. As a key, it is with its schema if it has one.
void code_reader::take_name(const std::string& schema, const std::string& name, sql::lexer ahead) {
    const std::string key = schema.empty() ? name : schema + '\0' + name;
    if (!ahead.next().is('(')) {
        out_.mentioned.insert(key);
        if (!schema.empty()) {
            out_.fields.insert(name);
        }
    } else if (own_name_) {
        own_name_ = false;
    } else {
        const sql::token argument = ahead.next();
        const bool own_parameter = name == "current_setting" && argument.is_string() &&
                                   argument.text.find('.') != std::string_view::npos;
        if (!own_parameter) {
            out_.called.insert(key);
        }
    }
}

void code_reader::read(std::string_view text, int depth) {
    sql::lexer tokens(text);
    std::string schema;
    for (sql::token one = tokens.next(); !one.is_last(); one = tokens.next()) {
        std::string name;
        if (one.is_string()) {
            take_string(one, depth);
        } else if (sql::append_name(one, name)) {
            if (tokens.peek().is('.')) {
                schema = std::move(name);
                tokens.next();
                continue;
            }
            take_name(schema, name, tokens);
        }
        schema.clear();
    }
}

}  // namespace

code_words read_definition(std::string_view text) {
    code_words out;
    code_reader(out).read(text);
    return out;
}

}  // namespace pgweir::router
