#include "pool/reset_query.hpp"

#include "sql/setting.hpp"
#include "sql/statement.hpp"

#include <map>
#include <utility>

namespace pgweir::pool {

namespace {

using kind = sql::statement_kind;

constexpr std::string_view role = "role";

class resetter {
public:
    resetter(
        const parameter_store& store, const parameter_set& before, const parameter_set& reported
    )
        : store_(store), reported_(reported), values_(before.values()), extras_(before.extras()) {}

    void run(const sql::statement& one) {
        switch (one.kind) {
            case kind::discard_all:
                forget_all_but_role();
                return forget(role);
            case kind::reset_all:
                return forget_all_but_role();
            case kind::session_authorization:
                return forget(role);
            case kind::set:
            case kind::reset:
                if (!one.local) {
                    forget(sql::parameter_name(one.parameter));
                }
                return;
            case kind::session_characteristics:
                return forget_characteristics(one.value);
            default:
                return;
        }
    }

    parameter_values& values() noexcept { return values_; }

    extra_values& extras() noexcept { return extras_; }

private:
    void forget(std::string_view name) {
        if (const auto index = store_.index_of(name)) {
            forget(*index);
        } else if (const auto found = extras_.find(name); found != extras_.end()) {
            extras_.erase(found);
        }
    }

    void forget(std::size_t index) {
        if (!reported_.values()[index]) {
            values_[index].reset();
        }
    }

    void forget_characteristics(std::string_view modes) {
        if (const auto all = sql::read_characteristics(modes)) {
            for (const sql::setting& to : *all) {
                forget(to.name);
            }
        }
    }

    void forget_all_but_role() {
        for (std::size_t i = 0; i < values_.size(); i++) {
            forget(i);
        }
        std::erase_if(extras_, [](const auto& one) { return one.first != role; });
    }

    const parameter_store& store_;
    const parameter_set& reported_;
    parameter_values values_;
    extra_values extras_;
};

}  // namespace

parameter_set_ptr settings_after(
    std::string_view query,
    parameter_store& store,
    const parameter_set& before,
    const parameter_set& reported
) {
    resetter done(store, before, reported);
    sql::statement_reader statements(query);
    sql::statement one;
    while (statements.next(one)) {
        done.run(one);
    }
    return store.intern(std::move(done.values()), std::move(done.extras()));
}

}  // namespace pgweir::pool
