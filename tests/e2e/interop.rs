//! Stock Redis at the other end of the link: as replica of ours, as master of ours, in a chain.

use crate::harness::*;

fn ours() -> Options {
    Options::ours().readable_by_stock()
}

/// Lets a client write through a link that is cut now and then; then compares.
fn cut_and_compare(master: &Server, replica: &Server, link: &Proxy) {
    follow(replica, link.port);
    let full = master.info_number("sync_full");
    let load = Writer::start(master.port, 21);
    for cut in 1..=3 {
        let before = load.acknowledged();
        wait_until("writes go on", || load.acknowledged() > before + 500);
        link.cut();
        wait_until("the replica resumed", || {
            master.info_number("sync_partial_ok") >= cut
        });
    }
    load.stop();
    wait_link_up(replica);
    wait_equal_offsets(&[master, replica]);
    assert_eq!(
        master.info_number("sync_full"),
        full,
        "{}",
        master.log_tail()
    );
    assert_same_data(master, replica);
}

#[test]
fn a_stock_replica_follows_our_master_over_a_link_that_breaks() {
    let master = ours().config("repl-backlog-size 256mb").start();
    let link = Proxy::to(master.port);
    cut_and_compare(&master, &Server::stock(&[]), &link);
}

#[test]
fn a_stock_replica_follows_our_master_that_syncs_from_disk() {
    let master = ours()
        .config("repl-diskless-sync no")
        .config("repl-backlog-size 256mb")
        .start();
    let link = Proxy::to(master.port);
    cut_and_compare(
        &master,
        &Server::stock(&["repl-diskless-load swapdb"]),
        &link,
    );
}

#[test]
fn our_replica_follows_a_stock_master_over_a_link_that_breaks() {
    let master = Server::stock(&["repl-backlog-size 256mb"]);
    let link = Proxy::to(master.port);
    cut_and_compare(&master, &Server::ours(&[]), &link);
}

#[test]
fn our_replica_follows_a_stock_master_that_syncs_from_disk() {
    let master = Server::stock(&["repl-backlog-size 256mb", "repl-diskless-sync no"]);
    let link = Proxy::to(master.port);
    cut_and_compare(
        &master,
        &Server::ours(&["repl-diskless-load swapdb"]),
        &link,
    );
}

#[test]
fn a_mixed_chain_is_one_stream_and_survives_a_promotion() {
    let first = ours().start();
    let second = Server::stock(&[]);
    let third = ours().start();
    let fourth = Server::stock(&[]);
    follow(&second, first.port);
    follow(&third, second.port);
    follow(&fourth, third.port);
    let load = Writer::start(first.port, 22);
    wait_until("some writes happened", || load.acknowledged() > 3000);
    load.stop();
    wait_equal_offsets(&[&first, &second, &third, &fourth]);
    assert_same_data(&first, &fourth);
    // Ours takes over; the stock one below it must not need a full sync.
    assert_eq!(third.ask("REPLICAOF NO ONE"), "OK");
    let full = third.info_number("sync_full");
    assert_eq!(third.ask("SET promoted 1"), "OK");
    wait_link_up(&fourth);
    wait_equal_offsets(&[&third, &fourth]);
    assert_eq!(third.info_number("sync_full"), full, "{}", third.log_tail());
    // The old heads join under it: they wrote nothing since, so a partial resync serves.
    follow(&second, third.port);
    wait_equal_offsets(&[&third, &second]);
    assert_eq!(third.info_number("sync_full"), full, "{}", third.log_tail());
    // The other way round: a stock server is promoted above ours.
    assert_eq!(second.ask("REPLICAOF NO ONE"), "OK");
    let full = second.info_number("sync_full");
    follow(&third, second.port);
    wait_equal_offsets(&[&second, &third, &fourth]);
    assert_eq!(
        second.info_number("sync_full"),
        full,
        "{}",
        second.log_tail()
    );
    assert_same_data(&second, &fourth);
}

#[test]
fn a_stock_replica_authenticates_at_ours_and_ours_at_stock() {
    let ours_with_password = ours().config("requirepass secret").start();
    assert_eq!(ours_with_password.ask("AUTH secret"), "OK");
    ours_with_password.ask("SET a 1");
    let stock = Server::stock(&["masterauth secret"]);
    follow(&stock, ours_with_password.port);
    assert_eq!(stock.ask("GET a"), "1");
    let stock_with_password = Server::stock(&["requirepass secret"]);
    assert_eq!(stock_with_password.ask("AUTH secret"), "OK");
    stock_with_password.ask("SET b 1");
    let replica = ours()
        .config("masterauth secret")
        .config("masteruser default")
        .start();
    follow(&replica, stock_with_password.port);
    assert_eq!(replica.ask("GET b"), "1");
}

#[test]
fn a_client_that_knows_only_sync_gets_a_snapshot_and_the_stream() {
    let master = ours().config("repl-diskless-sync no").start();
    master.ask("SET a 1");
    let mut old = master.connect();
    old.send(b"SYNC\r\n");
    old.skip_snapshot();
    master.ask("SET b 2");
    let words = |conn: &mut Conn| conn.read_value().unwrap().to_string().to_uppercase();
    let mut seen = words(&mut old);
    while seen == "[PING]" {
        seen = words(&mut old);
    }
    assert_eq!(seen, "[SELECT 0]");
    assert_eq!(words(&mut old), "[SET B 2]");
}
