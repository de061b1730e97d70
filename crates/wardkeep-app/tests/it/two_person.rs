//! No path to a deciding role without a second person once there is one, whatever one person tries.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use wardkeep_app::requests::{Used, Wanted};
use wardkeep_app::{Ctx, Error};
use wardkeep_domain::account::{AccountState, Role};
use wardkeep_domain::{AccountId, RequestId};

use crate::hospital::House;

const REASON: &str = "Because nobody is looking now.";

/// Accounts with a role that decides on requests, and how many are active.
async fn deciders(house: &House) -> (usize, usize) {
    let (mut all, mut active) = (0, 0);
    for role in [Role::Administrator, Role::PrivacyOfficer] {
        let found = house.app.accounts(&house.operator(), Some(role), None, None).await.unwrap().items;
        all += found.len();
        active += found.iter().filter(|view| view.account.state == AccountState::Active).count();
    }
    (all, active)
}

/// Everything that an administrator can reach, tried in an order that chance decides.
struct Rogue {
    ctx: Ctx,
    requests: Vec<RequestId>,
    number: u32,
}

impl Rogue {
    fn email(&mut self) -> String {
        self.number += 1;
        format!("puppet{}@test.example", self.number)
    }
    async fn tries(&mut self, house: &House, dice: u64, others: &[AccountId]) {
        let role = if dice & 64 == 0 { "administrator" } else { "privacy_officer" };
        let other = others[usize::try_from(dice >> 8).unwrap() % others.len()];
        let request = self.requests.get(usize::try_from(dice >> 16).unwrap() % self.requests.len().max(1)).copied();
        let email = self.email();
        match dice % 11 {
            0 => assert!(house.app.invite(&self.ctx, &email, "Puppet", role).await.is_err()),
            1 => {
                let wanted = Wanted::GrantRole { email, display_name: "Puppet".to_owned(), role: role.to_owned() };
                self.requests.extend(house.app.ask_approval(&self.ctx, &wanted, REASON).await.ok());
            }
            2 => {
                let wanted = Wanted::ResetFactor { account: other };
                self.requests.extend(house.app.ask_approval(&self.ctx, &wanted, REASON).await.ok());
            }
            3 => drop(house.app.invite(&self.ctx, &email, "Puppet", "nurse").await),
            4 => drop(house.app.suspend(&self.ctx, other).await),
            5 => drop(house.app.reinstate(&self.ctx, other).await),
            6 => assert!(house.app.reset_factor(&self.ctx, other).await.is_err()),
            7 => drop(house.app.revoke_account_sessions_of(&self.ctx, other).await),
            8 => assert!(house.app.issue_setup(self.ctx.visit()).await.is_err()),
            _ => {
                let Some(request) = request else { return };
                assert!(house.app.approve_request(&self.ctx, request).await.is_err());
                assert!(house.app.refuse_request(&self.ctx, request, "No").await.is_err());
                assert!(house.app.use_request(&self.ctx, request).await.is_err());
            }
        }
    }
}

#[tokio::test]
async fn no_path_grants_a_deciding_role_without_a_second_person_once_there_is_one() {
    for (seed, second) in [(1, Role::Administrator), (2, Role::PrivacyOfficer), (3, Role::Administrator), (4, Role::PrivacyOfficer)] {
        let house = House::new().await;
        let ctx = house.staff(Role::Administrator, "rogue@test.example").await;
        let others = [
            house.staff(second, "second@test.example").await.account_id(),
            house.staff(Role::Nurse, "nurse@test.example").await.account_id(),
        ];
        let mut rogue = Rogue { ctx, requests: Vec::new(), number: 0 };
        let mut dice = ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..120 {
            rogue.tries(&house, dice.next_u64(), &others).await;
        }
        assert_eq!(deciders(&house).await.0, 2, "seed {seed}");
        assert!(!rogue.requests.is_empty(), "seed {seed}: nothing was even asked for");
        let credentials = house.app.account_by_email(&house.operator(), "second@test.example").await.unwrap();
        assert!(credentials.has_second_factor, "seed {seed}");
    }
}

#[tokio::test]
async fn the_first_administrator_lets_one_person_in_alone_and_then_never_again() {
    let house = House::new().await;
    let first = house.staff(Role::Administrator, "first@test.example").await;
    let (privacy, _) = house.app.invite(&first, "privacy@test.example", "Privacy", "privacy_officer").await.unwrap();
    // Not a handful at once, of which each could be answered later.
    for role in ["administrator", "privacy_officer"] {
        let refused = house.app.invite(&first, "more@test.example", "More", role).await;
        assert!(matches!(&refused, Err(Error::Refused(words)) if words.contains("open still")), "{refused:?}");
    }
    // An invitation that went astray is taken back, and another one made.
    house.app.suspend(&first, privacy).await.unwrap();
    house.app.invite(&first, "second@test.example", "Second", "administrator").await.unwrap();
    assert_eq!(deciders(&house).await, (3, 1));
    let house = House::new().await;
    let first = house.staff(Role::Administrator, "first@test.example").await;
    let second = house.staff(Role::Administrator, "second@test.example").await;
    // Suspending everybody else does not bring back acting alone.
    house.app.suspend(&first, second.account_id()).await.unwrap();
    let alone = house.app.invite(&first, "third@test.example", "Third", "administrator").await;
    assert!(matches!(alone, Err(Error::SecondPerson(_))), "{alone:?}");
    let wanted =
        Wanted::GrantRole { email: "third@test.example".to_owned(), display_name: "Third".to_owned(), role: "administrator".to_owned() };
    let asked = house.app.ask_approval(&first, &wanted, REASON).await;
    assert!(matches!(&asked, Err(Error::Refused(words)) if words.contains("command line")), "{asked:?}");
    // The command line does what it says, and the log names it.
    house.app.invite(&house.operator(), "third@test.example", "Third", "administrator").await.unwrap();
}

#[tokio::test]
async fn an_approval_is_used_up_with_the_act_or_not_at_all() {
    let house = House::new().await;
    let first = house.staff(Role::Administrator, "first@test.example").await;
    let second = house.staff(Role::Administrator, "second@test.example").await;
    let grant =
        |email: &str| Wanted::GrantRole { email: email.to_owned(), display_name: "Third".to_owned(), role: "administrator".to_owned() };
    let request = house.app.ask_approval(&first, &grant("third@test.example"), REASON).await.unwrap();
    house.app.approve_request(&second, request).await.unwrap();
    // The address is taken meanwhile: the act fails, and the approval is still there.
    house.app.invite(&house.operator(), "third@test.example", "Third", "nurse").await.unwrap();
    assert!(matches!(house.app.use_request(&first, request).await, Err(Error::Refused(_))));
    assert_eq!(house.app.requests_count(&first).await.unwrap(), (0, 1));
    let request = house.app.ask_approval(&first, &grant("fourth@test.example"), REASON).await.unwrap();
    house.app.approve_request(&second, request).await.unwrap();
    let uses = futures::future::join_all((0..4).map(|_| house.app.use_request(&first, request))).await;
    assert_eq!(uses.iter().filter(|used| matches!(used, Ok(Used::Invited { .. }))).count(), 1);
    assert_eq!(deciders(&house).await.0, 3);
    let report = house.app.verify_records(&house.operator(), &|_, _| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[tokio::test]
async fn so_many_requests_of_one_person_wait_and_no_more() {
    let house = House::new().await;
    let first = house.staff(Role::Administrator, "first@test.example").await;
    let second = house.staff(Role::Administrator, "second@test.example").await;
    let wanted = Wanted::ResetFactor { account: house.staff(Role::Nurse, "nurse@test.example").await.account_id() };
    for _ in 0..wardkeep_app::requests::OPEN_MAX {
        house.app.ask_approval(&first, &wanted, REASON).await.unwrap();
    }
    assert!(matches!(house.app.ask_approval(&first, &wanted, REASON).await, Err(Error::Refused(_))));
    house.app.ask_approval(&second, &wanted, REASON).await.unwrap();
}
