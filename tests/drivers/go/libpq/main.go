// Go's database/sql with lib/pq: each query with arguments is prepared without a name.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lib/pq"
)

var steps int

func check(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func same(got, expected interface{}, what string) {
	if fmt.Sprint(got) != fmt.Sprint(expected) {
		fmt.Fprintf(os.Stderr, "%s: got %v, expected %v\n", what, got, expected)
		os.Exit(1)
	}
	steps++
}

func code(err error) string {
	if problem, ok := err.(*pq.Error); ok {
		return string(problem.Code)
	}
	return fmt.Sprint(err)
}

func one(db *sql.DB, query string, arguments ...interface{}) string {
	var value string
	check(db.QueryRow(query, arguments...).Scan(&value), query)
	return value
}

// Until PostgreSQL does nothing of the kind any more.
func ended(count func() string) {
	for begin := time.Now(); count() != "0"; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			same(count(), "0", "queries that still run")
		}
	}
	steps++
}

const sleeping = "select count(*) from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'"

func main() {
	db, err := sql.Open("postgres", os.Args[1])
	check(err, "open")
	db.SetMaxOpenConns(20)
	_, err = db.Exec("drop table if exists go_pq; create table go_pq (a int primary key, b text, c bytea)")
	check(err, "several statements")

	sum, err := db.Prepare("select $1::int + $2::int")
	check(err, "prepare")
	var group sync.WaitGroup
	totals := make([]int, 20)
	for worker := range totals {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for i := 0; i < 50; i++ {
				var value int
				check(sum.QueryRow(worker, i).Scan(&value), "a statement on many connections")
				totals[worker] += value - i
			}
		}(worker)
	}
	group.Wait()
	for worker, total := range totals {
		if total != worker*50 {
			same(total, worker*50, "a statement on many connections")
		}
	}
	steps++

	everything := make([]byte, 256)
	for i := range everything {
		everything[i] = byte(i)
	}
	tx, err := db.Begin()
	check(err, "begin")
	for i := 0; i < 10; i++ {
		_, err = tx.Exec("insert into go_pq values ($1, $2, $3)", i, fmt.Sprintf("Größe %d 🐘", i), everything)
		check(err, "insert")
	}
	check(tx.Commit(), "commit")
	same(one(db, "select b from go_pq where a = $1", 7), "Größe 7 🐘", "letters of many alphabets")
	var read []byte
	check(db.QueryRow("select c from go_pq where a = $1", 7).Scan(&read), "bytes")
	same(bytes.Equal(read, everything), true, "bytes")

	tx, err = db.Begin()
	check(err, "begin")
	_, err = tx.Exec("delete from go_pq")
	check(err, "delete")
	check(tx.Rollback(), "rollback")
	same(one(db, "select count(*) from go_pq"), "10", "a transaction that is rolled back")

	_, err = db.Exec("select 1 / $1::int", 0)
	same(code(err), "22012", "an error")
	_, err = db.Exec("insert into go_pq values ($1)", 1)
	same(code(err), "23505", "an error of a statement")
	same(one(db, "select $1::int * 2", 21), "42", "and on it goes")

	tx, err = db.Begin()
	check(err, "begin")
	copying, err := tx.Prepare(pq.CopyIn("go_pq", "a", "b"))
	check(err, "copy")
	for i := 100; i < 1100; i++ {
		_, err = copying.Exec(i, "copied")
		check(err, "copy")
	}
	_, err = copying.Exec()
	check(err, "copy")
	check(copying.Close(), "copy")
	check(tx.Commit(), "commit")
	same(one(db, "select count(*) from go_pq where b = 'copied'"), "1000", "copy in")

	patience, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err = db.ExecContext(patience, "select pg_sleep(60)")
	same(code(err), "57014", "a query that is cancelled")
	ended(func() string { return one(db, sleeping) })

	_, err = db.Exec("drop table go_pq")
	check(err, "drop")
	check(db.Close(), "close")
	fmt.Println("ok", steps)
}
