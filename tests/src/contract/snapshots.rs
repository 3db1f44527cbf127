//! What a store of snapshots must do.

use bytes::Bytes;
use cloud::Snapshots;

/// What is put can be got, unchanged, until it is deleted; names are listed by their beginning.
pub async fn objects_stay_until_they_are_deleted(snapshots: &dyn Snapshots) {
    snapshots.check().await.unwrap();
    // Bytes that are no text, and more than a connection's buffer.
    let large = Bytes::from((0..300_000_u32).map(|at| (at * 7 % 251) as u8).collect::<Vec<_>>());
    for (name, data) in [("s-1/7-0", Bytes::from_static(b"\x01\xff\x00")), ("s-1/7-1", large.clone())] {
        snapshots.put(name, data).await.unwrap();
    }
    snapshots.put("s-10/1-0", Bytes::new()).await.unwrap();
    assert_eq!(snapshots.get("s-1/7-0").await, Ok(Some(Bytes::from_static(b"\x01\xff\x00"))));
    assert_eq!(snapshots.get("s-1/7-1").await, Ok(Some(large)));
    assert_eq!(snapshots.get("s-1/8-0").await, Ok(None));
    let list = async |prefix: &str| {
        let mut names = snapshots.list(prefix).await.unwrap();
        names.sort();
        names
    };
    assert_eq!(list("s-1/").await, ["s-1/7-0", "s-1/7-1"]);
    assert_eq!(list("t").await, [""; 0]);
    snapshots.delete("s-1/7-0").await.unwrap();
    snapshots.delete("s-1/7-0").await.unwrap();
    assert_eq!(snapshots.get("s-1/7-0").await, Ok(None));
    assert_eq!(list("").await, ["s-1/7-1", "s-10/1-0"]);
}

/// More names than one page of S3 holds are all listed.
pub async fn every_page_is_listed(snapshots: &dyn Snapshots) {
    for number in 0..1_010 {
        snapshots.put(&format!("many/{number}"), Bytes::new()).await.unwrap();
    }
    assert_eq!(snapshots.list("many/").await.unwrap().len(), 1_010);
}
