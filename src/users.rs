//! Plain data with users in it: their names are looked up last, when an answer is complete, since the system may have to ask a server.

/// Data that names users.
pub(crate) trait Users {
    /// Shows each user's ID, and the place for the name.
    fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>));
}

impl<T: Users> Users for Vec<T> {
    fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>)) {
        for one in self {
            one.each_user(visit);
        }
    }
}

impl<T: Users> Users for Option<T> {
    fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>)) {
        if let Some(one) = self {
            one.each_user(visit);
        }
    }
}

/// Those that are among these parts of it.
macro_rules! users_in {
    ($($type:ty: $($part:ident),+;)+) => {
        $(impl crate::users::Users for $type {
            fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>)) {
                $(crate::users::Users::each_user(&mut self.$part, visit);)+
            }
        })+
    };
}
pub(crate) use users_in;

/// Those whose own user is told by these two fields.
macro_rules! user_of {
    ($($type:ty),+) => {
        $(impl crate::users::Users for $type {
            fn each_user(&mut self, visit: &mut dyn FnMut(u32, &mut Option<String>)) {
                if let Some(uid) = self.uid {
                    visit(uid, &mut self.user);
                }
            }
        })+
    };
}
pub(crate) use user_of;
