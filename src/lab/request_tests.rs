//! Words as they are typed, and what they mean.

use super::*;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn ask(line: &str) -> Ask {
    let request = Request::read(&words(line)).expect(line).expect(line);
    assert_eq!(request.words, line);
    let sent = serde_json::to_string(&request).expect("plain data");
    let come: Request = serde_json::from_str(&sent).expect("what was sent");
    assert_eq!(come, request);
    request.ask
}

#[track_caller]
fn refused(line: &str) -> String {
    Request::read(&words(line)).expect_err(line)
}

#[test]
fn processes_are_changed_by_name() {
    let what = ProcessChange::Kill;
    let nodes = words("m1 r1");
    assert_eq!(ask("kill m1 r1"), Ask::Process { nodes, what });
    let (nodes, what) = (words("r2"), ProcessChange::Restart);
    assert_eq!(ask("start r2"), Ask::Process { nodes, what });
    assert_eq!(refused("kill"), "kill wants the names of nodes");
    assert_eq!(refused("stop m1 --now"), "there is no option --now here");
}

#[test]
fn links_have_two_ends_and_a_direction_where_it_is_asked_for() {
    let link = |one_way, what| Ask::Link {
        from: words("m1"),
        to: words("r1"),
        one_way,
        what,
    };
    assert_eq!(ask("cut m1 r1"), link(false, LinkChange::Cut));
    assert_eq!(ask("cut --one-way m1 r1"), link(true, LinkChange::Cut));
    assert_eq!(
        ask("delay m1 r1 1.5s --one-way"),
        link(true, LinkChange::Delay(1_500_000))
    );
    assert_eq!(
        ask("rate m1 r1 1mb"),
        link(false, LinkChange::Rate(1 << 20))
    );
    assert_eq!(ask("heal m1 r1"), link(false, LinkChange::Heal));
    assert_eq!(ask("heal"), Ask::HealAll);
    assert_eq!(refused("cut m1"), "cut wants two names of hosts");
    assert!(refused("delay m1 r1 250").contains("is no time"));
    assert!(refused("rate m1 r1 fast").contains("is no size"));
}

#[test]
fn sides_of_a_partition_are_words_or_stand_between_slashes() {
    let expected = Ask::Partition {
        sides: vec![words("m1,w1"), words("r1,r2")],
    };
    assert_eq!(ask("partition m1,w1 r1,r2"), expected);
    let expected = Ask::Partition {
        sides: vec![words("m1 w1"), words("r1")],
    };
    assert_eq!(ask("partition m1 w1 / r1"), expected);
    for line in ["partition", "partition m1", "partition m1 /"] {
        assert!(refused(line).contains("two sides"), "{line}");
    }
}

#[test]
fn a_writer_has_a_name_and_one_way_of_writing() {
    let plain = Load {
        name: "w1".to_owned(),
        wait: 0,
        pipeline: 1,
        fixed: None,
        rate: Some(500),
        timeout_ms: 500,
    };
    assert_eq!(ask("load w1"), Ask::Load(plain.clone()));
    let fast = Load {
        pipeline: 16,
        rate: None,
        fixed: Some("m1".to_owned()),
        ..plain.clone()
    };
    assert_eq!(
        ask("load w1 --pipeline 16 --rate max --stay=m1"),
        Ask::Load(fast)
    );
    let careful = Load { wait: 1, ..plain };
    assert_eq!(ask("load w1 --wait 1"), Ask::Load(careful));
    assert!(refused("load").contains("one name"));
    assert!(refused("load a:b").contains("no name"));
    assert!(refused("load w1 --wait 1 --pipeline 4").contains("not both"));
    assert!(refused("load w1 --rate 0").contains("writes nothing"));
    assert!(refused("load w1 --wait").contains("wants a value"));
}

#[test]
fn conditions_are_waited_for_with_a_limit() {
    let condition = Condition::Master {
        node: "r1".to_owned(),
    };
    let timeout_ms = 2000;
    assert_eq!(
        ask("wait-for master r1 --timeout 2s"),
        Ask::WaitFor {
            condition,
            timeout_ms
        }
    );
    let condition = Condition::Role {
        node: "r1".to_owned(),
        role: "slave".to_owned(),
    };
    let timeout_ms = 30_000;
    assert_eq!(
        ask("wait-for role r1 replica"),
        Ask::WaitFor {
            condition,
            timeout_ms
        }
    );
    assert!(refused("wait-for peace").contains("nothing that can be waited for"));
    assert!(refused("wait-for writes many").contains("no number"));
}

#[test]
fn other_words_are_not_for_the_keeper() {
    for line in ["", "up", "report --html x", "cli m1 GET a"] {
        assert_eq!(Request::read(&words(line)), Ok(None), "{line}");
    }
}
