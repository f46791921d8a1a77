#pragma once

// Rows for a catalogue, as a database would answer the queries: a little of PostgreSQL's own, and
// what a test adds. Verbs add; build() makes the catalogue, analyse-and-judge is judge().

#include "router/analysis.hpp"
#include "router/catalogue_builder.hpp"
#include "router/large_stack.hpp"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::router::test {

struct function_options {
    int defaults = 0;
    bool variadic = false;
    bool takes_row = false;
    std::string made_of = {};
    std::string types = {};
    std::string code = {};
};

class small_database {
public:
    small_database() {
        add(catalogue_part::database, {"app", "\"$user\", public"});
        for (const char* name : {"int4", "int8", "text", "bool", "numeric", "date", "regclass"}) {
            type("pg_catalog", name);
        }
        for (const char* name : {"=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "||", "~~"}) {
            own_operator(name);
        }
        for (const char* name : {"lower", "count", "sum", "date", "length", "timezone"}) {
            own_function(name, 1, 'i');
        }
        own_function("now", 0, 's');
        own_function("count", 0, 'i');
        own_function("random", 0, 'v');
        own_function("nextval", 1, 'v');
        own_function("pg_backend_pid", 0, 's');
        own_function("pg_advisory_lock", 1, 'v');
        own_function("current_setting", 1, 's');
        own_function("set_config", 3, 'v');
        own_function("pg_stat_get_activity", 1, 's');
        own_function("query_to_xml", 4, 'v');
        own_function("lo_create", 1, 'v');
        own_function("pg_notify", 2, 'v');
        own_relation("pg_class", "r");
        own_relation("pg_stat_activity", "v");
        relation("public", "t", "r");
        relation("public", "u", "r");
    }

    std::string function(
        const char* schema,
        const std::string& name,
        int arguments,
        char volatility,
        const function_options& options = {}
    ) {
        const std::string code =
            "CREATE OR REPLACE FUNCTION " + name + "() AS $function$" + options.code + "$function$";
        return add_function(next_id(), schema, name, arguments, volatility, "f", options, code);
    }

    std::string own_function(const std::string& name, int arguments, char volatility) {
        return add_function(
            std::to_string(++own_id_), "pg_catalog", name, arguments, volatility, "t", {}, ""
        );
    }

    void user_operator(
        const char* schema, const char* name, int operands, const std::string& function_id
    ) {
        add(catalogue_part::operators, {schema, name, std::to_string(operands), function_id});
    }

    std::string relation(
        const char* schema,
        const char* name,
        const char* kind,
        const char* persistence = "p",
        const std::string& definition = ""
    ) {
        const std::string id = next_id();
        add(catalogue_part::relations, {id, schema, name, kind, persistence, "f", "f", definition});
        return id;
    }

    std::string view(const char* schema, const char* name, const std::string& definition) {
        return relation(schema, name, "v", "p", definition);
    }

    void policy(const std::string& relation_id, const std::string& expression) {
        add(catalogue_part::policies, {relation_id, expression});
    }

    void child(const std::string& parent, const std::string& id) {
        add(catalogue_part::children, {parent, id});
    }

    std::string type(const char* schema, const char* name, const std::string& behind = "0") {
        const bool own = std::string_view(schema) == "pg_catalog";
        const std::string id = own ? std::to_string(++own_id_) : next_id();
        add(catalogue_part::types, {id, schema, name, behind});
        return id;
    }

    void column(const std::string& relation_id, const std::string& type_id) {
        add(catalogue_part::columns, {relation_id, "0", type_id});
    }

    void type_function(const std::string& type_id, const std::string& function_id) {
        add(catalogue_part::type_functions, {type_id, function_id});
    }

    void constraint(const std::string& type_id, const std::string& expression) {
        add(catalogue_part::constraints, {type_id, expression});
    }

    void search_path(const char* role, const char* value) {
        add(catalogue_part::search_paths, {role, "f", value});
    }

    void add(catalogue_part part, std::vector<std::string> values) {
        rows_.emplace_back(part, std::move(values));
    }

    catalogue_ptr build() const {
        catalogue_builder builder;
        const auto queries = catalogue_queries();
        for (std::size_t query = 0; query < queries.size(); query++) {
            for (const auto& [part, values] : rows_) {
                if (part == queries[query].part) {
                    const std::vector<std::string_view> views(values.begin(), values.end());
                    EXPECT_TRUE(builder.add(query, views));
                }
            }
        }
        return builder.build();
    }

private:
    std::string next_id() { return std::to_string(++id_); }

    std::string add_function(
        const std::string& id,
        const char* schema,
        const std::string& name,
        int arguments,
        char volatility,
        const char* own,
        const function_options& options,
        const std::string& code
    ) {
        add(catalogue_part::functions,
            {id,
             schema,
             name,
             std::to_string(arguments),
             std::to_string(options.defaults),
             options.variadic ? "t" : "f",
             std::string(1, volatility),
             own,
             options.takes_row ? "t" : "f",
             options.made_of,
             options.types,
             code});
        return id;
    }

    void own_operator(const char* name) {
        const std::string id = own_function(std::string("operator_") + name, 2, 'i');
        user_operator("pg_catalog", name, 2, id);
        user_operator("pg_catalog", name, 1, id);
    }

    void own_relation(const char* name, const char* kind) {
        add(catalogue_part::relations,
            {std::to_string(++own_id_), "pg_catalog", name, kind, "p", "f", "t", ""});
    }

    int own_id_ = 100;
    int id_ = 16384;
    std::vector<std::pair<catalogue_part, std::vector<std::string>>> rows_;
};

inline judgement judge(
    const catalogue& names, std::string_view text, const name_scope& scope = {1, "app", {}, {}}
) {
    judgement result;
    with_large_stack([&] { result = names.judge(analyse(text, scope.strings), scope); });
    return result;
}

}  // namespace pgweir::router::test
