//! The manifest as text and as a value.

use proptest::prelude::*;

use super::*;

const FILE: &[u8] = b"appendonly.aof";

fn names(files: &[FileInfo]) -> Vec<String> {
    let name = |info: &FileInfo| String::from_utf8_lossy(&info.name).into_owned();
    files.iter().map(name).collect()
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let text = b"file appendonly.aof.2.base.rdb seq 2 type b\n\
        file appendonly.aof.3.incr.aof seq 3 type h\n\
        file appendonly.aof.4.incr.aof seq 4 type i\n\
        file appendonly.aof.5.incr.aof seq 5 type i\n";
    let manifest = Manifest::parse(text).unwrap();
    assert_eq!(manifest.base().unwrap().name, b"appendonly.aof.2.base.rdb");
    assert_eq!(names(manifest.history()), ["appendonly.aof.3.incr.aof"]);
    let files: Vec<_> = manifest
        .files()
        .map(|(kind, info)| (kind, info.seq))
        .collect();
    assert_eq!(
        files,
        [
            (FileKind::Base, 2),
            (FileKind::Increment, 4),
            (FileKind::Increment, 5)
        ]
    );
    assert!(!manifest.is_dirty());
    assert_eq!(manifest.to_bytes(), text);
}

#[test]
fn keys_may_come_in_any_order_and_case_beside_others_and_comments() {
    let text = b"# a comment\n  TYPE incr SEQ 7x File \"a b\\x00c\" note hi \r\n#another, unended";
    let manifest = Manifest::parse(text).unwrap();
    assert_eq!(names(manifest.increments()), ["a b"]);
    assert_eq!(manifest.increments()[0].seq, 7);
    assert_eq!(
        manifest.to_bytes(),
        b"file \"a b\" seq 7 type i\n",
        "comments are not kept"
    );
    assert!(Manifest::parse(b"#\n").unwrap().is_empty());
}

#[test]
fn what_cannot_be_understood_is_refused_with_line_and_reason() {
    use ManifestFault::*;
    let long = [&b"file "[..], &[b'a'; 1100], b" seq 1 type b\n"].concat();
    // The text, the line that is to blame, the reason.
    let cases: &[(&[u8], Option<usize>, ManifestFault)] = &[
        (b"", None, Empty),
        (b"\n", Some(1), InvalidFormat),
        (b"file a seq 1 type b", None, LineTooLong),
        (b"file a\0 seq 1 type b\n", None, LineTooLong),
        (&long, None, LineTooLong),
        (b"file a seq 1 type\n", Some(1), InvalidFormat),
        (b"file a seq 1 type b x\n", Some(1), InvalidFormat),
        (b"file \"a seq 1 type b\n", Some(1), InvalidFormat),
        (b"name a seq 1 type b\n", Some(1), InvalidFormat),
        (b"file a seq 0 type b\n", Some(1), InvalidFormat),
        (b"file a seq x type b\n", Some(1), InvalidFormat),
        (b"file a seq 1 type \"\"\n", Some(1), InvalidFormat),
        (b"file a/b seq 1 type b\n", Some(1), NameIsPath),
        (b"file \"a\\\\b\" seq 1 type b\n", Some(1), NameIsPath),
        (b"#\nfile a seq 1 type x\n", Some(2), UnknownType),
        (
            b"file a seq 1 type b\nfile b seq 2 type b\n",
            Some(2),
            SecondBase,
        ),
        (
            b"file a seq 2 type i\nfile b seq 2 type i\n",
            Some(2),
            NotMonotonic,
        ),
        (b"file a seq -1 type i\n", Some(1), NotMonotonic),
    ];
    for (text, line, fault) in cases {
        let error = Manifest::parse(text).unwrap_err();
        let shown = String::from_utf8_lossy(text);
        assert_eq!(
            error.line.as_ref().map(|(number, _)| *number),
            *line,
            "{shown}"
        );
        assert_eq!(error.fault, *fault, "{shown}");
    }
}

#[test]
fn an_error_is_logged_in_the_words_of_the_reference() {
    let error = Manifest::parse(b"#\n  file a seq 1 type x \n").unwrap_err();
    let messages = error.messages();
    let messages: Vec<_> = messages
        .iter()
        .map(|text| str::from_utf8(text).unwrap())
        .collect();
    assert_eq!(
        messages,
        [
            "\n*** FATAL AOF MANIFEST FILE ERROR ***\n",
            "Reading the manifest file, at line 2\n",
            ">>> 'file a seq 1 type x'\n",
            "Unknown AOF file type\n",
        ]
    );
    let error = Manifest::parse(b"").unwrap_err();
    assert_eq!(error.messages()[1..], [b"Found an empty AOF manifest\n"]);
}

#[test]
fn a_long_comment_is_read_in_pieces_of_which_only_the_first_is_a_comment() {
    let text = [&[b'#'; 1024][..], b"x\n"].concat();
    let error = Manifest::parse(&text).unwrap_err();
    assert_eq!(error.line, Some((2, b"x".to_vec())));
}

#[test]
fn a_rewrite_makes_history_of_what_the_new_base_holds() {
    let mut manifest = Manifest::default();
    assert!(manifest.is_empty() && !manifest.is_dirty());
    let base = manifest.start_base(FILE, BaseFormat::Rdb);
    assert_eq!(base, b"appendonly.aof.1.base.rdb");
    let first = manifest.last_or_new_increment(FILE);
    assert_eq!(first, b"appendonly.aof.1.incr.aof");
    assert_eq!(
        manifest.last_or_new_increment(FILE),
        b"appendonly.aof.1.incr.aof"
    );
    manifest.start_increment(FILE);
    manifest.start_increment(FILE);
    assert!(manifest.is_dirty());
    manifest.note_persisted();

    manifest.start_base(FILE, BaseFormat::Commands);
    manifest.retire_increments(1);
    assert!(manifest.is_dirty());
    assert_eq!(
        str::from_utf8(&manifest.to_bytes()).unwrap(),
        "file appendonly.aof.2.base.aof seq 2 type b\n\
         file appendonly.aof.1.incr.aof seq 1 type h\n\
         file appendonly.aof.2.incr.aof seq 2 type h\n\
         file appendonly.aof.1.base.rdb seq 1 type h\n\
         file appendonly.aof.3.incr.aof seq 3 type i\n"
    );
    manifest.note_persisted();
    assert_eq!(manifest.drop_history().len(), 3);
    assert!(manifest.is_dirty() && manifest.history().is_empty());
    manifest.note_persisted();
    assert!(manifest.drop_history().is_empty() && !manifest.is_dirty());

    manifest.retire_increments(0);
    assert!(manifest.increments().is_empty());
    assert_eq!(manifest.start_increment(FILE), b"appendonly.aof.4.incr.aof");
}

#[test]
fn numbers_go_on_where_the_file_that_was_read_ends() {
    let text = b"file x seq 7 type b\nfile y seq 3 type i\nfile z seq 9 type h\n";
    let mut manifest = Manifest::parse(text).unwrap();
    assert_eq!(manifest.start_base(b"f", BaseFormat::Rdb), b"f.8.base.rdb");
    assert_eq!(manifest.start_increment(b"f"), b"f.4.incr.aof");
}

#[test]
fn an_old_file_is_taken_over_once() {
    let mut manifest = Manifest::default();
    assert!(manifest.awaits_old_file(FILE, false));
    manifest.take_over_old_file(FILE);
    assert!(manifest.is_dirty());
    assert_eq!(
        manifest.to_bytes(),
        b"file appendonly.aof seq 1 type b\n".as_slice()
    );
    assert!(
        manifest.awaits_old_file(FILE, false),
        "decided, but not moved"
    );
    assert!(!manifest.awaits_old_file(FILE, true));
    assert!(!manifest.awaits_old_file(b"other", false));
    manifest.start_increment(FILE);
    assert!(!manifest.awaits_old_file(FILE, false));
    let base = manifest.start_base(FILE, BaseFormat::Rdb);
    assert_eq!(base, b"appendonly.aof.2.base.rdb");
}

#[test]
fn files_are_named_after_the_append_only_file() {
    assert_eq!(manifest_name(FILE), b"appendonly.aof.manifest");
    assert_eq!(
        temporary_manifest_name(FILE),
        b"temp-appendonly.aof.manifest"
    );
    assert_eq!(temporary_increment_name(FILE), b"temp-appendonly.aof.incr");
    assert_eq!(temporary_base_name(12), b"temp-rewriteaof-bg-12.aof");
}

/// Names that a file can have: a base name, without what would end a C string.
fn file_names() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(1..=255u8, 0..240).prop_map(|mut name| {
        name.retain(|byte| !matches!(byte, b'/' | b'\\'));
        name
    })
}

proptest! {
    #[test]
    fn any_names_survive_the_round_trip(
        base in proptest::option::of(file_names()),
        increments in proptest::collection::vec(file_names(), 0..5),
        history in proptest::collection::vec(file_names(), 0..5),
    ) {
        let mut manifest = Manifest::default();
        let info = |(index, name)| FileInfo { name, seq: index as i64 + 1 };
        for info in base.into_iter().enumerate().map(info) {
            manifest.add(FileKind::Base, info).unwrap();
        }
        for info in history.into_iter().enumerate().map(info) {
            manifest.add(FileKind::History, info).unwrap();
        }
        for info in increments.into_iter().enumerate().map(info) {
            manifest.add(FileKind::Increment, info).unwrap();
        }
        let text = manifest.to_bytes();
        match Manifest::parse(&text) {
            Ok(read) => prop_assert_eq!(read, manifest),
            Err(error) => prop_assert!(text.is_empty(), "{error}"),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in proptest::collection::vec(any::<u8>(), 0..200),
        lines in "(file|seq|type|b|i|h|[0-9]|\"| |\n|#){0,60}",
    ) {
        let _ = Manifest::parse(&text);
        let _ = Manifest::parse(lines.as_bytes());
    }
}

#[test]
fn no_file_gets_the_name_of_one_that_waits_to_be_removed() {
    let text = b"file a.7.base.rdb seq 7 type b\nfile a.9.incr.aof seq 9 type h\n";
    let mut manifest = Manifest::parse(text).unwrap();
    assert_eq!(manifest.start_increment(b"a"), b"a.10.incr.aof");
    let text = b"file a.9.base.rdb seq 9 type h\nfile a.2.incr.aof seq 2 type i\n";
    let mut manifest = Manifest::parse(text).unwrap();
    assert_eq!(manifest.start_base(b"a", BaseFormat::Rdb), b"a.10.base.rdb");
}

#[test]
fn no_file_gets_the_name_of_one_that_a_lost_manifest_may_have_named() {
    let found: [&[u8]; 8] = [
        b"a.3.base.rdb",
        b"a.4.base.aof",
        b"a.12.incr.aof",
        b"b.99.base.rdb",
        b"a.98.base",
        b"a.x.incr.aof",
        b"a",
        b"temp-a.incr",
    ];
    let mut manifest = Manifest::default();
    assert_eq!(manifest.skip_names(b"a", found.into_iter()), 3);
    assert!(manifest.is_empty());
    assert_eq!(manifest.start_base(b"a", BaseFormat::Rdb), b"a.5.base.rdb");
    assert_eq!(manifest.start_increment(b"a"), b"a.13.incr.aof");
}
