// Go's pgx: prepares by name and caches what it has prepared, binary results, batches, COPY.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
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
	var problem *pgconn.PgError
	if errors.As(err, &problem) {
		return problem.Code
	}
	return fmt.Sprint(err)
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

const sleeping = "select count(*)::text from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'"

func main() {
	ctx := context.Background()
	pool, err := pgxpool.Connect(ctx, os.Args[1]+" pool_max_conns=20")
	check(err, "connect")
	_, err = pool.Exec(ctx, "drop table if exists go_pgx")
	check(err, "drop")
	_, err = pool.Exec(ctx, "create table go_pgx (a int primary key, b text, c bytea, d timestamptz)")
	check(err, "create")

	var group sync.WaitGroup
	for worker := 0; worker < 20; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for i := 0; i < 50; i++ {
				var value int
				check(pool.QueryRow(ctx, "select $1::int + $2::int", worker, i).Scan(&value), "a cached statement")
				if value != worker+i {
					same(value, worker+i, "a cached statement")
				}
			}
		}(worker)
	}
	group.Wait()
	steps++

	everything := make([]byte, 256)
	for i := range everything {
		everything[i] = byte(i)
	}
	now := time.Now().Truncate(time.Microsecond)
	check(pool.BeginFunc(ctx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for i := 0; i < 10; i++ {
			batch.Queue("insert into go_pgx values ($1, $2, $3, $4)", i, fmt.Sprintf("Größe %d 🐘", i), everything, now)
		}
		return tx.SendBatch(ctx, batch).Close()
	}), "a batch in a transaction")
	var text string
	var read []byte
	var when time.Time
	check(pool.QueryRow(ctx, "select b, c, d from go_pgx where a = $1", 7).Scan(&text, &read, &when), "select")
	same(text, "Größe 7 🐘", "letters of many alphabets")
	same(bytes.Equal(read, everything) && when.Equal(now), true, "bytes and times")

	tx, err := pool.Begin(ctx)
	check(err, "begin")
	_, err = tx.Exec(ctx, "delete from go_pgx")
	check(err, "delete")
	inner, err := tx.Begin(ctx) // a savepoint
	check(err, "savepoint")
	_, err = inner.Exec(ctx, "select 1 / $1::int", 0)
	same(code(err), "22012", "an error")
	check(inner.Rollback(ctx), "back to the savepoint")
	check(tx.Rollback(ctx), "rollback")
	var count int
	check(pool.QueryRow(ctx, "select count(*) from go_pgx").Scan(&count), "count")
	same(count, 10, "a transaction that is rolled back")
	_, err = pool.Exec(ctx, "insert into go_pgx values ($1)", 1)
	same(code(err), "23505", "an error of a prepared statement")

	rows := make([][]interface{}, 1000)
	for i := range rows {
		rows[i] = []interface{}{100 + i, "copied"}
	}
	copied, err := pool.CopyFrom(ctx, pgx.Identifier{"go_pgx"}, []string{"a", "b"}, pgx.CopyFromRows(rows))
	check(err, "copy")
	same(copied, 1000, "copy in")

	single, err := pgx.Connect(ctx, os.Args[1])
	check(err, "connect")
	for i := 0; i < 300; i++ { // more than a server keeps
		name := fmt.Sprintf("own_%d", i)
		_, err = single.Prepare(ctx, name, fmt.Sprintf("select $1::int + %d", i))
		check(err, "prepare")
	}
	for _, i := range []int{0, 150, 299, 0} {
		var value int
		check(single.QueryRow(ctx, fmt.Sprintf("own_%d", i), 1).Scan(&value), "a named statement")
		if value != i+1 {
			same(value, i+1, "a named statement")
		}
	}
	steps++
	check(single.Close(ctx), "close")

	patience, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err = pool.Exec(patience, "select pg_sleep(60)")
	same(errors.Is(err, context.DeadlineExceeded), true, "a query that is given up")
	ended(func() string { // pgx sends a cancel request, and closes the connection without hearing the end of it
		var running string
		check(pool.QueryRow(ctx, sleeping+" and pid <> pg_backend_pid()").Scan(&running), "what runs")
		return running
	})
	check(pool.QueryRow(ctx, "select 42").Scan(&count), "and on it goes")
	same(count, 42, "and on it goes")
	_, err = pool.Exec(ctx, "drop table go_pgx")
	check(err, "drop")
	pool.Close()
	fmt.Println("ok", steps)
}
