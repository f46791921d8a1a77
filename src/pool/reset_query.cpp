#include "pool/reset_query.hpp"

#include "pool/settings_editor.hpp"
#include "sql/statement.hpp"

#include <utility>

namespace pgweir::pool {

namespace {

using kind = sql::statement_kind;

void reset(settings_editor& settings, const sql::statement& by) {
    switch (by.kind) {
        case kind::discard_all:
            return settings.discard_all();
        case kind::reset_all:
            return settings.reset_all();
        case kind::session_authorization:
            return settings.set({"role", {}});
        case kind::set:
        case kind::reset:
            if (!by.local) {
                settings.set({sql::parameter_name(by.parameter), {}});
            }
            return;
        case kind::session_characteristics:
            if (const auto all = sql::read_characteristics(by.value)) {
                for (const sql::setting& to : *all) {
                    settings.set({to.name, {}});
                }
            }
            return;
        default:
            return;
    }
}

}  // namespace

parameter_set_ptr settings_after(
    std::string_view query,
    parameter_store& store,
    const parameter_set& before,
    const parameter_set& reported
) {
    settings_editor settings(store, before, *store.empty(), reported);
    sql::statement_reader statements(query);
    sql::statement one;
    while (statements.next(one)) {
        reset(settings, one);
    }
    return store.intern(std::move(settings.values()), std::move(settings.extras()));
}

}  // namespace pgweir::pool
