#include "router/analysis.hpp"

#include "router/shape.hpp"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>

namespace pgweir::router {

namespace {

using descriptor = const ProtobufCMessageDescriptor*;

template <typename Message>
const Message& as(const ProtobufCMessage& message) noexcept {
    return reinterpret_cast<const Message&>(message);
}

template <typename T>
T read_at(const ProtobufCMessage& message, unsigned offset) noexcept {
    return *reinterpret_cast<const T*>(reinterpret_cast<const char*>(&message) + offset);
}

/// Calls `visit` for every message that is directly inside of another.
template <typename Visit>
void for_each_child(const ProtobufCMessage& message, const Visit& visit) {
    const std::span fields(message.descriptor->fields, message.descriptor->n_fields);
    for (const ProtobufCFieldDescriptor& field : fields) {
        if (field.type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (field.label == PROTOBUF_C_LABEL_REPEATED) {
            const auto count = read_at<std::size_t>(message, field.quantifier_offset);
            const auto* const* list =
                read_at<const ProtobufCMessage* const*>(message, field.offset);
            for (std::size_t i = 0; i < count; i++) {
                visit(*list[i]);
            }
            continue;
        }
        const bool one_of = (field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (one_of && read_at<std::uint32_t>(message, field.quantifier_offset) != field.id) {
            continue;
        }
        if (const auto* child = read_at<const ProtobufCMessage*>(message, field.offset)) {
            visit(*child);
        }
    }
}

/// What a Node holds; none if it is of a kind that this library's description does not have.
const ProtobufCMessage* content(const PgQuery__Node* node) noexcept {
    const ProtobufCMessage* found = nullptr;
    if (node != nullptr) {
        for_each_child(node->base, [&](const ProtobufCMessage& child) { found = &child; });
    }
    return found;
}

std::string_view string_of(const PgQuery__Node* node) noexcept {
    return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_STRING
               ? std::string_view(node->string->sval)
               : std::string_view();
}

std::string_view view(const char* text) noexcept {
    return text == nullptr ? std::string_view() : std::string_view(text);
}

/// 'text' or 'text'::text, or nothing.
std::string_view constant_string(const PgQuery__Node* node) noexcept {
    if (node != nullptr && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
        node = node->type_cast->arg;
    }
    if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_A_CONST ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL) {
        return {};
    }
    return view(node->a_const->sval->sval);
}

/// How much a reason says against a text, most first.
constexpr std::array severity = {
    reason::writes,
    reason::locks,
    reason::session_state,
    reason::function,
    reason::server_state,
    reason::transaction,
    reason::not_understood,
    reason::unknown_name,
    reason::refused,
    reason::not_judged,
    reason::read,
};

class fact_finder {
public:
    explicit fact_finder(text_facts& out) : out_(out) {}

    void statement(const PgQuery__RawStmt& raw);

private:
    enum class step : std::uint8_t {
        walk,  ///< says nothing itself
        select,
        common_table,
        function,
        expression,
        sublink,
        relation,
        type,
        column,
        indirection,
        order,
        join,
        choice,
        sample,
        locking,
        into,
    };

    static const std::unordered_map<descriptor, step>& steps();
    static const std::unordered_map<descriptor, reason>& statements();

    void against(reason why) { out_.why = stricter(out_.why, why); }

    void visit(const ProtobufCMessage& message);

    void visit(const PgQuery__Node* node) {
        if (node != nullptr) {
            visit(node->base);
        }
    }

    void visit_children(const ProtobufCMessage& message) {
        for_each_child(message, [this](const ProtobufCMessage& child) { visit(child); });
    }

    void visit_list(std::size_t count, PgQuery__Node* const* list) {
        for (std::size_t i = 0; i < count; i++) {
            visit(list[i]);
        }
    }

    void take(step what, const ProtobufCMessage& message);

    // Statements.
    void query_of(const PgQuery__Node* node);
    void explain(const PgQuery__ExplainStmt& from);
    void copy(const PgQuery__CopyStmt& from);
    void declare(const PgQuery__DeclareCursorStmt& from);
    void set(const PgQuery__VariableSetStmt& from);
    void transaction(const PgQuery__TransactionStmt& from);

    // Inside of a query.
    void select(const PgQuery__SelectStmt& from);
    void with(const PgQuery__WithClause& from);
    void common_table(const PgQuery__CommonTableExpr& from);
    void function(const PgQuery__FuncCall& from);
    void expression(const PgQuery__AExpr& from);
    void sublink(const PgQuery__SubLink& from);
    void relation(const PgQuery__RangeVar& from);
    void type(const PgQuery__TypeName& from);
    void column(const PgQuery__ColumnRef& from);
    void indirection(const PgQuery__AIndirection& from);
    void order(const PgQuery__SortBy& from);
    void join(const PgQuery__JoinExpr& from);
    void choice(const PgQuery__CaseExpr& from);
    void sample(const PgQuery__RangeTableSample& from);
    void into(const PgQuery__IntoClause& from);

    bool read_name(std::size_t count, PgQuery__Node* const* parts, used_name& out);
    void add_operator(std::size_t count, PgQuery__Node* const* parts, int operands);
    void add_operator(std::string_view name, int operands = 2);

    template <typename T>
    static void add(std::vector<T>& to, T one) {
        if (std::find(to.begin(), to.end(), one) == to.end()) {
            to.push_back(std::move(one));
        }
    }

    text_facts& out_;
    std::vector<std::string_view> common_tables_;  ///< those in sight, the innermost last
};

const std::unordered_map<descriptor, fact_finder::step>& fact_finder::steps() {
    static const std::unordered_map<descriptor, step> known = {
        {&pg_query__node__descriptor, step::walk},
        {&pg_query__list__descriptor, step::walk},
        {&pg_query__string__descriptor, step::walk},
        {&pg_query__integer__descriptor, step::walk},
        {&pg_query__float__descriptor, step::walk},
        {&pg_query__boolean__descriptor, step::walk},
        {&pg_query__bit_string__descriptor, step::walk},
        {&pg_query__alias__descriptor, step::walk},
        {&pg_query__res_target__descriptor, step::walk},
        {&pg_query__a__star__descriptor, step::walk},
        {&pg_query__a__const__descriptor, step::walk},
        {&pg_query__param_ref__descriptor, step::walk},
        {&pg_query__bool_expr__descriptor, step::walk},
        {&pg_query__null_test__descriptor, step::walk},
        {&pg_query__boolean_test__descriptor, step::walk},
        {&pg_query__case_when__descriptor, step::walk},
        {&pg_query__coalesce_expr__descriptor, step::walk},
        {&pg_query__min_max_expr__descriptor, step::walk},
        {&pg_query__type_cast__descriptor, step::walk},
        {&pg_query__collate_clause__descriptor, step::walk},
        {&pg_query__row_expr__descriptor, step::walk},
        {&pg_query__a__array_expr__descriptor, step::walk},
        {&pg_query__a__indices__descriptor, step::walk},
        {&pg_query__window_def__descriptor, step::walk},
        {&pg_query__grouping_func__descriptor, step::walk},
        {&pg_query__grouping_set__descriptor, step::walk},
        {&pg_query__range_subselect__descriptor, step::walk},
        {&pg_query__range_function__descriptor, step::walk},
        {&pg_query__range_table_func__descriptor, step::walk},
        {&pg_query__range_table_func_col__descriptor, step::walk},
        {&pg_query__column_def__descriptor, step::walk},
        {&pg_query__ctesearch_clause__descriptor, step::walk},
        {&pg_query__ctecycle_clause__descriptor, step::walk},
        {&pg_query__sqlvalue_function__descriptor, step::walk},
        {&pg_query__xml_expr__descriptor, step::walk},
        {&pg_query__xml_serialize__descriptor, step::walk},
        {&pg_query__named_arg_expr__descriptor, step::walk},
        {&pg_query__set_to_default__descriptor, step::walk},
        {&pg_query__def_elem__descriptor, step::walk},  // options of EXPLAIN and COPY
        {&pg_query__select_stmt__descriptor, step::select},
        {&pg_query__common_table_expr__descriptor, step::common_table},
        {&pg_query__func_call__descriptor, step::function},
        {&pg_query__a__expr__descriptor, step::expression},
        {&pg_query__sub_link__descriptor, step::sublink},
        {&pg_query__range_var__descriptor, step::relation},
        {&pg_query__type_name__descriptor, step::type},
        {&pg_query__column_ref__descriptor, step::column},
        {&pg_query__a__indirection__descriptor, step::indirection},
        {&pg_query__sort_by__descriptor, step::order},
        {&pg_query__join_expr__descriptor, step::join},
        {&pg_query__case_expr__descriptor, step::choice},
        {&pg_query__range_table_sample__descriptor, step::sample},
        {&pg_query__locking_clause__descriptor, step::locking},
        {&pg_query__into_clause__descriptor, step::into},
    };
    return known;
}

/// Statements that are no reads, whatever is in them; those that are not named here and are none of
/// the queries change something.
const std::unordered_map<descriptor, reason>& fact_finder::statements() {
    static const std::unordered_map<descriptor, reason> known = {
        {&pg_query__lock_stmt__descriptor, reason::locks},
        {&pg_query__variable_show_stmt__descriptor, reason::server_state},
        {&pg_query__listen_stmt__descriptor, reason::session_state},
        {&pg_query__unlisten_stmt__descriptor, reason::session_state},
        {&pg_query__discard_stmt__descriptor, reason::session_state},
        {&pg_query__prepare_stmt__descriptor, reason::session_state},
        {&pg_query__execute_stmt__descriptor, reason::session_state},
        {&pg_query__deallocate_stmt__descriptor, reason::session_state},
        {&pg_query__fetch_stmt__descriptor, reason::session_state},
        {&pg_query__close_portal_stmt__descriptor, reason::session_state},
        {&pg_query__load_stmt__descriptor, reason::session_state},
        {&pg_query__constraints_set_stmt__descriptor, reason::session_state},
    };
    return known;
}

void fact_finder::statement(const PgQuery__RawStmt& raw) {
    const ProtobufCMessage* const body = content(raw.stmt);
    if (body == nullptr) {
        against(reason::not_understood);
        return;
    }
    const descriptor what = body->descriptor;
    if (what == &pg_query__select_stmt__descriptor) {
        visit(*body);
    } else if (what == &pg_query__explain_stmt__descriptor) {
        explain(as<PgQuery__ExplainStmt>(*body));
    } else if (what == &pg_query__copy_stmt__descriptor) {
        copy(as<PgQuery__CopyStmt>(*body));
    } else if (what == &pg_query__declare_cursor_stmt__descriptor) {
        declare(as<PgQuery__DeclareCursorStmt>(*body));
    } else if (what == &pg_query__variable_set_stmt__descriptor) {
        set(as<PgQuery__VariableSetStmt>(*body));
    } else if (what == &pg_query__transaction_stmt__descriptor) {
        transaction(as<PgQuery__TransactionStmt>(*body));
    } else {
        const auto found = statements().find(what);
        against(found == statements().end() ? reason::writes : found->second);
    }
}

/// Of EXPLAIN, COPY and DECLARE: a SELECT, or no read.
void fact_finder::query_of(const PgQuery__Node* node) {
    const ProtobufCMessage* const body = content(node);
    if (body == nullptr) {
        against(reason::not_understood);
    } else if (body->descriptor == &pg_query__select_stmt__descriptor) {
        visit(*body);
    } else if (body->descriptor == &pg_query__execute_stmt__descriptor) {
        against(reason::session_state);
    } else if (body->descriptor == &pg_query__declare_cursor_stmt__descriptor) {
        declare(as<PgQuery__DeclareCursorStmt>(*body));
    } else {
        against(reason::writes);
    }
}

/// The plan of a read is a read, and so is to carry it out.
void fact_finder::explain(const PgQuery__ExplainStmt& from) {
    visit_list(from.n_options, from.options);
    query_of(from.query);
}

void fact_finder::copy(const PgQuery__CopyStmt& from) {
    if (from.is_from || from.is_program || !view(from.filename).empty()) {
        against(reason::writes);
        return;
    }
    visit_list(from.n_options, from.options);
    visit_list(from.n_attlist, from.attlist);
    if (from.relation != nullptr) {
        visit(from.relation->base);
    } else {
        query_of(from.query);
    }
}

void fact_finder::declare(const PgQuery__DeclareCursorStmt& from) {
    constexpr int with_hold = 0x20;  // CURSOR_OPT_HOLD
    if ((from.options & with_hold) != 0) {
        against(reason::session_state);
    }
    query_of(from.query);
}

void fact_finder::set(const PgQuery__VariableSetStmt& from) {
    const bool transaction =
        from.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI && view(from.name) == "TRANSACTION";
    against(transaction ? reason::transaction : reason::session_state);
}

void fact_finder::transaction(const PgQuery__TransactionStmt& from) {
    const bool two_phase =
        from.kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE ||
        from.kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED ||
        from.kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED;
    against(two_phase ? reason::writes : reason::transaction);
}

void fact_finder::visit(const ProtobufCMessage& message) {
    const auto found = steps().find(message.descriptor);
    if (found != steps().end()) {
        take(found->second, message);
        return;
    }
    const descriptor what = message.descriptor;
    const bool writes =
        what == &pg_query__insert_stmt__descriptor || what == &pg_query__update_stmt__descriptor ||
        what == &pg_query__delete_stmt__descriptor || what == &pg_query__merge_stmt__descriptor;
    against(writes ? reason::writes : reason::not_understood);
}

void fact_finder::take(step what, const ProtobufCMessage& message) {
    switch (what) {
        case step::walk:
            return visit_children(message);
        case step::select:
            return select(as<PgQuery__SelectStmt>(message));
        case step::common_table:
            return common_table(as<PgQuery__CommonTableExpr>(message));
        case step::function:
            return function(as<PgQuery__FuncCall>(message));
        case step::expression:
            return expression(as<PgQuery__AExpr>(message));
        case step::sublink:
            return sublink(as<PgQuery__SubLink>(message));
        case step::relation:
            return relation(as<PgQuery__RangeVar>(message));
        case step::type:
            return type(as<PgQuery__TypeName>(message));
        case step::column:
            return column(as<PgQuery__ColumnRef>(message));
        case step::indirection:
            return indirection(as<PgQuery__AIndirection>(message));
        case step::order:
            return order(as<PgQuery__SortBy>(message));
        case step::join:
            return join(as<PgQuery__JoinExpr>(message));
        case step::choice:
            return choice(as<PgQuery__CaseExpr>(message));
        case step::sample:
            return sample(as<PgQuery__RangeTableSample>(message));
        case step::locking:
            return against(reason::locks);
        case step::into:
            return into(as<PgQuery__IntoClause>(message));
    }
}

/// What WITH names is in sight of this query alone, and covers tables of these names.
void fact_finder::select(const PgQuery__SelectStmt& from) {
    const std::size_t outside = common_tables_.size();
    if (from.with_clause != nullptr) {
        with(*from.with_clause);
    }
    for_each_child(from.base, [&](const ProtobufCMessage& child) {
        if (child.descriptor != &pg_query__with_clause__descriptor) {
            visit(child);
        }
    });
    common_tables_.resize(outside);
}

/// One sees those before it; with RECURSIVE, all of them.
void fact_finder::with(const PgQuery__WithClause& from) {
    const std::span<PgQuery__Node* const> list(from.ctes, from.n_ctes);
    const auto name_of = [](const PgQuery__Node& node) {
        return view(node.common_table_expr->ctename);
    };
    const bool understood = std::all_of(list.begin(), list.end(), [](const PgQuery__Node* node) {
        return node->node_case == PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR;
    });
    if (!understood) {
        against(reason::not_understood);
        return;
    }
    if (from.recursive) {
        for (const PgQuery__Node* node : list) {
            common_tables_.push_back(name_of(*node));
        }
    }
    for (const PgQuery__Node* node : list) {
        visit(node);
        if (!from.recursive) {
            common_tables_.push_back(name_of(*node));
        }
    }
}

void fact_finder::common_table(const PgQuery__CommonTableExpr& from) {
    if (from.cycle_clause != nullptr) {
        add_operator("<>");
        add_operator("=");
    }
    visit_children(from.base);
}

/// The parts of a name, with its schema or without; false, and not understood, for anything else.
bool fact_finder::read_name(std::size_t count, PgQuery__Node* const* parts, used_name& out) {
    if (count == 1 || count == 2) {
        out.schema = count == 2 ? string_of(parts[0]) : std::string_view();
        out.name = string_of(parts[count - 1]);
        if (!out.name.empty() && (count == 1 || !out.schema.empty())) {
            return true;
        }
    }
    against(count > 2 ? reason::unknown_name : reason::not_understood);
    return false;
}

void fact_finder::function(const PgQuery__FuncCall& from) {
    used_function one;
    if (read_name(from.n_funcname, from.funcname, one.name)) {
        std::size_t arguments = from.n_args;
        if (from.agg_within_group) {
            arguments += from.n_agg_order;
        }
        // unnest(a, b) in FROM is unnest(a) and unnest(b), side by side.
        one.arguments =
            one.name.name == "unnest" && arguments > 1 ? 1 : static_cast<int>(arguments);
        one.variadic = from.func_variadic;
        if (one.name.name == "current_setting" && from.n_args > 0) {
            one.setting = constant_string(from.args[0]);
        }
        add(out_.functions, std::move(one));
    }
    if (from.agg_distinct) {
        add_operator("=");
    }
    visit_children(from.base);
}

void fact_finder::add_operator(std::string_view name, int operands) {
    add(out_.operators, used_operator{{std::string(), std::string(name)}, operands});
}

void fact_finder::add_operator(std::size_t count, PgQuery__Node* const* parts, int operands) {
    used_operator one;
    one.operands = operands;
    if (read_name(count, parts, one.name)) {
        add(out_.operators, std::move(one));
    }
}

void fact_finder::expression(const PgQuery__AExpr& from) {
    switch (from.kind) {
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
            for (const std::string_view name : {"<", "<=", ">", ">="}) {
                add_operator(name);
            }
            break;
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
        case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
        case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
        case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
        case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
            add_operator(from.n_name, from.name, from.lexpr == nullptr ? 1 : 2);
            break;
        case PG_QUERY__A__EXPR__KIND__A_EXPR_KIND_UNDEFINED:
        case _PG_QUERY__A__EXPR__KIND_IS_INT_SIZE:
            against(reason::not_understood);
            break;
    }
    visit(from.lexpr);
    visit(from.rexpr);
}

void fact_finder::sublink(const PgQuery__SubLink& from) {
    if (from.n_oper_name > 0) {
        add_operator(from.n_oper_name, from.oper_name, 2);
    } else if (from.testexpr != nullptr) {
        add_operator("=");
    }
    visit(from.testexpr);
    visit(from.subselect);
}

void fact_finder::relation(const PgQuery__RangeVar& from) {
    const std::string_view name = view(from.relname);
    const std::string_view schema = view(from.schemaname);
    if (!view(from.catalogname).empty()) {
        against(reason::unknown_name);
    } else if (schema.empty() && std::find(
                                     common_tables_.begin(), common_tables_.end(), name
                                 ) != common_tables_.end()) {
        // WITH's.
    } else if (schema == "pg_temp") {
        against(reason::session_state);
    } else {
        add(out_.relations, used_name{std::string(schema), std::string(name)});
    }
    if (from.alias != nullptr) {
        visit(from.alias->base);
    }
}

void fact_finder::type(const PgQuery__TypeName& from) {
    used_name name;
    if (from.pct_type) {
        against(reason::not_understood);
    } else if (read_name(from.n_names, from.names, name)) {
        if (name.schema == "pg_temp") {
            against(reason::session_state);
        }
        add(out_.types, std::move(name));
    }
    visit_list(from.n_typmods, from.typmods);
}

void fact_finder::column(const PgQuery__ColumnRef& from) {
    if (from.n_fields > 1) {
        const std::string_view last = string_of(from.fields[from.n_fields - 1]);
        if (!last.empty()) {
            add(out_.fields, std::string(last));
        }
    }
}

void fact_finder::indirection(const PgQuery__AIndirection& from) {
    for (std::size_t i = 0; i < from.n_indirection; i++) {
        const std::string_view field = string_of(from.indirection[i]);
        if (!field.empty()) {
            add(out_.fields, std::string(field));
        }
    }
    visit_children(from.base);
}

void fact_finder::order(const PgQuery__SortBy& from) {
    if (from.n_use_op > 0) {
        add_operator(from.n_use_op, from.use_op, 2);
    }
    visit(from.node);
}

void fact_finder::join(const PgQuery__JoinExpr& from) {
    if (from.is_natural || from.n_using_clause > 0) {
        add_operator("=");
    }
    visit_children(from.base);
}

void fact_finder::choice(const PgQuery__CaseExpr& from) {
    if (from.arg != nullptr) {
        add_operator("=");
    }
    visit_children(from.base);
}

/// The method is a function, too.
void fact_finder::sample(const PgQuery__RangeTableSample& from) {
    used_function method;
    if (read_name(from.n_method, from.method, method.name)) {
        method.arguments = 1;
        add(out_.functions, std::move(method));
    }
    visit(from.relation);
    visit_list(from.n_args, from.args);
    visit(from.repeatable);
}

void fact_finder::into(const PgQuery__IntoClause& from) {
    const bool temporary = from.rel != nullptr && (view(from.rel->relpersistence) == "t" ||
                                                   view(from.rel->schemaname) == "pg_temp");
    against(temporary ? reason::session_state : reason::writes);
}

/// The grammar's trees are at most about as deep as there are tokens.
bool has_few_tokens(std::string_view text, sql::backslash strings) noexcept {
    sql::lexer tokens(text, strings);
    for (std::size_t count = 0; count <= token_limit; count++) {
        if (tokens.next().is_last()) {
            return true;
        }
    }
    return false;
}

struct parse_result_free {
    void operator()(PgQueryProtobufParseResult* result) const {
        pg_query_free_protobuf_parse_result(*result);
    }
};

struct tree_free {
    void operator()(PgQuery__ParseResult* tree) const {
        pg_query__parse_result__free_unpacked(tree, nullptr);
    }
};

}  // namespace

reason stricter(reason one, reason other) noexcept {
    return *std::find_if(severity.begin(), severity.end(), [&](reason why) {
        return why == one || why == other;
    });
}

text_facts analyse(std::string_view text, sql::backslash strings) {
    text_facts facts;
    // The grammar reads '...' as standard_conforming_strings = on does.
    const bool other_strings =
        strings == sql::backslash::escapes && text.find('\\') != std::string_view::npos;
    if (text.size() > text_limit || other_strings || text.find('\0') != std::string_view::npos ||
        !has_few_tokens(text, strings)) {
        facts.why = reason::not_understood;
        return facts;
    }
    PgQueryProtobufParseResult result = pg_query_parse_protobuf(std::string(text).c_str());
    const std::unique_ptr<PgQueryProtobufParseResult, parse_result_free> owner(&result);
    if (result.error != nullptr) {
        facts.why = reason::not_understood;
        return facts;
    }
    const std::unique_ptr<PgQuery__ParseResult, tree_free> tree(pg_query__parse_result__unpack(
        nullptr,
        result.parse_tree.len,
        reinterpret_cast<const std::uint8_t*>(result.parse_tree.data)
    ));
    if (tree == nullptr) {
        facts.why = reason::not_understood;
        return facts;
    }
    fact_finder finder(facts);
    for (std::size_t i = 0; i < tree->n_stmts; i++) {
        finder.statement(*tree->stmts[i]);
    }
    return facts;
}

}  // namespace pgweir::router
