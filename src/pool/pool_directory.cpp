#include "pool/pool_directory.hpp"

namespace pgweir::pool {

void pool_directory::dispatch(worker_id self, const actions& todo) {
    for (const action& what : todo) {
        action_target* worker = workers_[what.worker];
        if (what.worker == self) {
            worker->carry_out(what);
        } else {
            worker->post([worker, what] { worker->carry_out(what); });
        }
    }
}

}  // namespace pgweir::pool
